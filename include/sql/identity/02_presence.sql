-- target: present, home, moment (temporary tables)
-- grain: moment: one row per group of cases that ever touched, and time in which nothing of it changed; present: one per
--   moment, case and member; home: one per moment and case that has an address
-- sources: case_said, address_said, address_key, integrated.person, parameter
-- Cases touch that ever share a person, or an address at which few families live at once. Within such a group time is cut
-- wherever anything begins or ends, so that in between there is one state to judge.

-- An address that one partner gives for more families at once than share a home is a block, a shelter or an office.
CREATE TEMP TABLE case_address ON COMMIT DROP AS
SELECT
    case_said.case_key,
    case_said.partner,
    case_said.person_id,
    address_key.address_key,
    address_said.feed,
    address_said.source_person_id,
    address_said.delivery_id,
    address_said.line_no,
    GREATEST(case_said.since, address_said.since) AS since,
    LEAST(case_said.until, address_said.until) AS until
FROM case_said
INNER JOIN address_said
    ON address_said.partner = case_said.partner
    AND address_said.source_person_id = case_said.source_person_id
    AND (case_said.until IS NULL OR address_said.since < case_said.until)
    AND (address_said.until IS NULL OR case_said.since < address_said.until)
INNER JOIN address_key
    ON address_key.address_line = address_said.address_line
    AND address_key.postal_code IS NOT DISTINCT FROM address_said.postal_code;

DELETE FROM case_address
WHERE case_address.address_key IN (
    SELECT running.address_key
    FROM (
        SELECT
            edge.address_key,
            SUM(edge.step) OVER (
                PARTITION BY edge.address_key, edge.partner
                ORDER BY edge.day, edge.step
            ) AS families
        FROM (
            SELECT
                lived.address_key,
                lived.partner,
                bound.day,
                bound.step
            FROM (
                SELECT
                    case_address.address_key,
                    case_address.partner,
                    case_address.case_key,
                    MIN(case_address.since) AS since,
                    NULLIF(MAX(COALESCE(case_address.until, 'infinity')), 'infinity') AS until
                FROM case_address
                GROUP BY
                    case_address.address_key,
                    case_address.partner,
                    case_address.case_key
            ) AS lived
            CROSS JOIN LATERAL (VALUES (lived.since, 1), (lived.until, -1)) AS bound (day, step)
            WHERE bound.day IS NOT NULL
        ) AS edge
    ) AS running
    CROSS JOIN parameter
    WHERE running.families > parameter.address_families
);

CREATE TEMP TABLE touching ON COMMIT DROP AS
SELECT
    numbered.case_key,
    numbered.number,
    numbered.number AS label
FROM (
    SELECT
        case_said.case_key,
        ROW_NUMBER() OVER (ORDER BY case_said.case_key) AS number
    FROM case_said
    GROUP BY case_said.case_key
) AS numbered;

-- What cases share: persons and addresses.
CREATE TEMP TABLE share ON COMMIT DROP AS
SELECT
    shared.thing,
    touching.number
FROM (
    SELECT DISTINCT
        'person ' || case_said.person_id AS thing,
        case_said.case_key
    FROM case_said
    UNION
    SELECT
        'address ' || case_address.address_key,
        case_address.case_key
    FROM case_address
) AS shared
INNER JOIN touching USING (case_key);

CREATE INDEX ON touching (number);

CREATE INDEX ON share (thing);

ANALYZE touching;

ANALYZE share;

DO $$
BEGIN
    LOOP
        UPDATE touching
        SET label = reached.label
        FROM (
            SELECT
                share.number,
                MIN(least_of.label) AS label
            FROM share
            INNER JOIN (
                SELECT
                    share.thing,
                    MIN(touching.label) AS label
                FROM share
                INNER JOIN touching USING (number)
                GROUP BY share.thing
            ) AS least_of USING (thing)
            GROUP BY share.number
        ) AS reached
        WHERE reached.number = touching.number
            AND reached.label < touching.label;
        EXIT WHEN NOT FOUND;
    END LOOP;
END
$$;

CREATE TEMP TABLE moment ON COMMIT DROP AS
SELECT
    bound.label,
    ROW_NUMBER() OVER (PARTITION BY bound.label ORDER BY bound.day) AS step,
    ROW_NUMBER() OVER (ORDER BY bound.label, bound.day) AS moment,
    bound.day AS since,
    LEAD(bound.day) OVER (PARTITION BY bound.label ORDER BY bound.day) AS until
FROM (
    SELECT DISTINCT
        touching.label,
        cut.day
    FROM case_said
    INNER JOIN touching USING (case_key)
    CROSS JOIN LATERAL (VALUES (case_said.since), (case_said.until)) AS cut (day)
    WHERE cut.day IS NOT NULL
    UNION
    SELECT
        touching.label,
        cut.day
    FROM case_address
    INNER JOIN touching USING (case_key)
    CROSS JOIN LATERAL (VALUES (case_address.since), (case_address.until)) AS cut (day)
    WHERE cut.day IS NOT NULL
) AS bound;

CREATE INDEX ON moment (label);

ANALYZE moment;

CREATE TEMP TABLE present ON COMMIT DROP AS
SELECT
    moment.moment,
    touching.number,
    case_said.person_id,
    -- Age decides; the partner's word only where no birth date is known.
    BOOL_OR(
        COALESCE(
            person.birth_month + MAKE_INTERVAL(years => parameter.family_child_years) <= moment.since,
            case_said.family_role = 'adult',
            FALSE
        )
    ) AS is_adult
FROM case_said
INNER JOIN touching USING (case_key)
INNER JOIN moment
    ON moment.label = touching.label
    AND moment.since >= case_said.since
    AND (case_said.until IS NULL OR moment.since < case_said.until)
LEFT JOIN integrated.person AS person ON person.person_id = case_said.person_id
CROSS JOIN parameter
GROUP BY
    moment.moment,
    touching.number,
    case_said.person_id;

-- A case lives where most of its members are said to live.
CREATE TEMP TABLE home ON COMMIT DROP AS
SELECT
    moment.moment,
    touching.number,
    MODE() WITHIN GROUP (ORDER BY case_address.address_key) AS address_key
FROM case_address
INNER JOIN touching USING (case_key)
INNER JOIN moment
    ON moment.label = touching.label
    AND moment.since >= case_address.since
    AND (case_address.until IS NULL OR moment.since < case_address.until)
GROUP BY
    moment.moment,
    touching.number;

CREATE INDEX ON present (moment, person_id);

CREATE INDEX ON present (moment, number);

CREATE INDEX ON home (moment, number);

ANALYZE present;

ANALYZE home;
