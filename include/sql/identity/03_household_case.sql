-- target: household_case, tie (temporary tables)
-- grain: tie: one row per moment and two cases that are one household; household_case: one row per moment and case
-- sources: present, home, moment, surname, phone, address_said, identity.relation
-- Two cases are one household while they share an adult and another member; or live at one address and share a member, a
-- surname, a telephone or a relation that a partner stated. A child in two cases at two addresses lives in two households.
-- A case of which no address is known joins the household with which it shares most members.

CREATE TEMP TABLE pair ON COMMIT DROP AS
SELECT
    one.moment,
    one.number AS l,
    other.number AS r,
    COUNT(*) AS members,
    COUNT(*) FILTER (WHERE one.is_adult) AS adults
FROM present AS one
INNER JOIN present AS other
    ON other.moment = one.moment
    AND other.person_id = one.person_id
    AND other.number > one.number
GROUP BY
    one.moment,
    one.number,
    other.number;

CREATE TEMP TABLE neighbour ON COMMIT DROP AS
SELECT
    one.moment,
    one.number AS l,
    other.number AS r
FROM home AS one
INNER JOIN home AS other
    ON other.moment = one.moment
    AND other.address_key = one.address_key
    AND other.number > one.number;

ANALYZE pair;

ANALYZE neighbour;

CREATE TEMP TABLE tie ON COMMIT DROP AS
SELECT
    pair.moment,
    pair.l,
    pair.r,
    FALSE AS by_address,
    'members' AS shared
FROM pair
WHERE pair.members >= 2
    AND pair.adults >= 1
UNION
SELECT
    neighbour.moment,
    neighbour.l,
    neighbour.r,
    TRUE,
    'members'
FROM neighbour
INNER JOIN pair USING (moment, l, r)
UNION
SELECT
    neighbour.moment,
    neighbour.l,
    neighbour.r,
    TRUE,
    'surname'
FROM neighbour
INNER JOIN present AS one
    ON one.moment = neighbour.moment
    AND one.number = neighbour.l
INNER JOIN surname AS name_one ON name_one.person_id = one.person_id
INNER JOIN present AS other
    ON other.moment = neighbour.moment
    AND other.number = neighbour.r
INNER JOIN surname AS name_other
    ON name_other.person_id = other.person_id
    AND name_other.name = name_one.name
UNION
SELECT
    neighbour.moment,
    neighbour.l,
    neighbour.r,
    TRUE,
    'phone'
FROM neighbour
INNER JOIN present AS one
    ON one.moment = neighbour.moment
    AND one.number = neighbour.l
INNER JOIN phone AS phone_one ON phone_one.person_id = one.person_id
INNER JOIN present AS other
    ON other.moment = neighbour.moment
    AND other.number = neighbour.r
INNER JOIN phone AS phone_other
    ON phone_other.person_id = other.person_id
    AND phone_other.phone = phone_one.phone
UNION
SELECT
    neighbour.moment,
    neighbour.l,
    neighbour.r,
    TRUE,
    'relation'
FROM neighbour
INNER JOIN moment ON moment.moment = neighbour.moment
INNER JOIN present AS one
    ON one.moment = neighbour.moment
    AND one.number = neighbour.l
INNER JOIN present AS other
    ON other.moment = neighbour.moment
    AND other.number = neighbour.r
INNER JOIN identity.relation
    ON relation.statement = 'relationship'
    AND (
        (relation.person_id = one.person_id AND relation.related_person_id = other.person_id)
        OR (relation.person_id = other.person_id AND relation.related_person_id = one.person_id)
    )
    AND relation.since <= moment.since
    AND (relation.until IS NULL OR relation.until > moment.since);

CREATE TEMP TABLE household_case ON COMMIT DROP AS
SELECT DISTINCT
    present.moment,
    present.number,
    present.number AS label
FROM present;

CREATE INDEX ON household_case (moment, number);

CREATE INDEX ON household_case (moment, label);

CREATE INDEX ON tie (moment, l);

CREATE INDEX ON tie (moment, r);

ANALYZE household_case;

ANALYZE tie;

-- The smallest number passes along ties until nothing changes.
DO $$
BEGIN
    LOOP
        UPDATE household_case
        SET label = reached.label
        FROM (
            SELECT
                joined.moment,
                joined.number,
                MIN(household_case.label) AS label
            FROM (
                SELECT tie.moment, tie.l AS number, tie.r AS met FROM tie
                UNION ALL
                SELECT tie.moment, tie.r, tie.l FROM tie
            ) AS joined
            INNER JOIN household_case
                ON household_case.moment = joined.moment
                AND household_case.number = joined.met
            GROUP BY
                joined.moment,
                joined.number
        ) AS reached
        WHERE reached.moment = household_case.moment
            AND reached.number = household_case.number
            AND reached.label < household_case.label;
        EXIT WHEN NOT FOUND;
    END LOOP;
END
$$;

-- Groups without an address: first to one that has one, by most members in common; those that are left, to each other.
DO $$
BEGIN
    LOOP
        CREATE TEMP TABLE moved ON COMMIT DROP AS
        WITH lives AS (
            SELECT
                household_case.moment,
                household_case.label,
                BOOL_OR(home.number IS NOT NULL) AS somewhere
            FROM household_case
            LEFT JOIN home USING (moment, number)
            GROUP BY
                household_case.moment,
                household_case.label
        ),

        met AS (
            SELECT
                one.moment,
                one.label,
                other.label AS met,
                COUNT(DISTINCT in_one.person_id) AS members
            FROM lives
            INNER JOIN household_case AS one
                ON one.moment = lives.moment
                AND one.label = lives.label
            INNER JOIN present AS in_one
                ON in_one.moment = one.moment
                AND in_one.number = one.number
            INNER JOIN present AS in_other
                ON in_other.moment = one.moment
                AND in_other.person_id = in_one.person_id
            INNER JOIN household_case AS other
                ON other.moment = in_other.moment
                AND other.number = in_other.number
                AND other.label <> one.label
            WHERE NOT lives.somewhere
            GROUP BY
                one.moment,
                one.label,
                other.label
        )

        SELECT DISTINCT ON (met.moment, met.label)
            met.moment,
            met.label,
            met.met
        FROM met
        INNER JOIN lives AS other
            ON other.moment = met.moment
            AND other.label = met.met
        -- Two that live nowhere join the one with the smaller number, so that none of them goes round.
        WHERE other.somewhere
            OR met.met < met.label
        ORDER BY
            met.moment,
            met.label,
            other.somewhere DESC,
            met.members DESC,
            met.met;

        UPDATE household_case
        SET label = moved.met
        FROM moved
        WHERE moved.moment = household_case.moment
            AND moved.label = household_case.label;

        IF NOT FOUND THEN
            DROP TABLE moved;
            EXIT;
        END IF;
        DROP TABLE moved;
    END LOOP;
END
$$;

ANALYZE household_case;
