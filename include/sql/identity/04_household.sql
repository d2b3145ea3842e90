-- target: identity.household, household_member, household_evidence
-- grain: one row per household; per household, member and spell; per household, member, statement and spell
-- sources: household_case, present, moment, tie, case_said, case_address, touching, identity.household_member (as it was)
-- A household keeps the id that most of its members had: in the moment before, and when households were last made. An id is
-- random, of one household at a time, and never given to another group of people.
CREATE TEMP TABLE former ON COMMIT DROP AS
SELECT
    household_id,
    person_id,
    since,
    until
FROM identity.household_member;

-- One row per household of a moment and member.
CREATE TEMP TABLE member ON COMMIT DROP AS
SELECT DISTINCT
    household_case.moment,
    moment.label AS touching,
    moment.step,
    moment.since,
    moment.until,
    household_case.label,
    present.person_id,
    NULL::uuid AS household_id
FROM household_case
INNER JOIN present USING (moment, number)
INNER JOIN moment USING (moment);

CREATE INDEX ON member (step);

CREATE INDEX ON member (touching, step);

CREATE INDEX ON former (person_id);

ANALYZE member;

ANALYZE former;

-- Where its former members are now: an id may be kept by cases that touch, not by two groups that never meet.
CREATE TEMP TABLE former_place ON COMMIT DROP AS
SELECT DISTINCT ON (counted.household_id)
    counted.household_id,
    counted.touching
FROM (
    SELECT
        former.household_id,
        member.touching,
        COUNT(DISTINCT member.person_id) AS members
    FROM former
    INNER JOIN member USING (person_id)
    GROUP BY
        former.household_id,
        member.touching
) AS counted
ORDER BY
    counted.household_id,
    counted.members DESC,
    counted.touching;

CREATE INDEX ON former_place (household_id);

ANALYZE former_place;

DO $$
DECLARE
    at bigint;
BEGIN
    FOR at IN SELECT DISTINCT member.step FROM member ORDER BY member.step LOOP
        CREATE TEMP TABLE given ON COMMIT DROP AS
        WITH now AS (
            SELECT
                member.moment,
                member.touching,
                member.label,
                member.person_id,
                member.since
            FROM member
            WHERE member.step = at
        ),

        claim AS (
            SELECT
                voted.moment,
                voted.label,
                voted.household_id,
                COUNT(*) AS votes
            FROM (
                SELECT
                    now.moment,
                    now.label,
                    before.household_id
                FROM now
                INNER JOIN member AS before
                    ON before.touching = now.touching
                    AND before.step = at - 1
                    AND before.person_id = now.person_id
                UNION ALL
                SELECT
                    now.moment,
                    now.label,
                    former.household_id
                FROM now
                INNER JOIN former
                    ON former.person_id = now.person_id
                    AND former.since <= now.since
                    AND (former.until IS NULL OR former.until > now.since)
                INNER JOIN former_place
                    ON former_place.household_id = former.household_id
                    AND former_place.touching = now.touching
            ) AS voted
            GROUP BY
                voted.moment,
                voted.label,
                voted.household_id
        ),

        won AS (
            SELECT DISTINCT ON (claim.moment, claim.household_id)
                claim.moment,
                claim.household_id,
                claim.label,
                claim.votes
            FROM claim
            ORDER BY
                claim.moment,
                claim.household_id,
                claim.votes DESC,
                claim.label
        ),

        kept AS (
            SELECT DISTINCT ON (won.moment, won.label)
                won.moment,
                won.label,
                won.household_id
            FROM won
            ORDER BY
                won.moment,
                won.label,
                won.votes DESC,
                won.household_id
        )

        SELECT
            household.moment,
            household.label,
            COALESCE(kept.household_id, GEN_RANDOM_UUID()) AS household_id
        FROM (SELECT DISTINCT now.moment, now.label FROM now) AS household
        LEFT JOIN kept USING (moment, label);

        UPDATE member
        SET household_id = given.household_id
        FROM given
        WHERE member.step = at
            AND given.moment = member.moment
            AND given.label = member.label;

        DROP TABLE given;
    END LOOP;
END
$$;

ANALYZE member;

DELETE FROM identity.household_evidence;

DELETE FROM identity.household_member;

DELETE FROM identity.household;

INSERT INTO identity.household (household_id)
SELECT DISTINCT member.household_id
FROM member;

-- Moments that follow each other without a gap are one spell.
INSERT INTO identity.household_member (household_id, person_id, since, until)
SELECT
    spell.household_id,
    spell.person_id,
    MIN(spell.since) AS since,
    NULLIF(MAX(COALESCE(spell.until, 'infinity')), 'infinity') AS until
FROM (
    SELECT
        part.household_id,
        part.person_id,
        part.since,
        part.until,
        COUNT(*) FILTER (WHERE part.since IS DISTINCT FROM part.former_until) OVER (
            PARTITION BY part.household_id, part.person_id
            ORDER BY part.since
        ) AS island
    FROM (
        SELECT
            member.household_id,
            member.person_id,
            member.since,
            member.until,
            LAG(member.until) OVER (
                PARTITION BY member.household_id, member.person_id
                ORDER BY member.since
            ) AS former_until
        FROM member
    ) AS part
) AS spell
GROUP BY
    spell.household_id,
    spell.person_id,
    spell.island;

-- Why: the case that names the person; and, where an address joined cases, what each of them says of the address.
INSERT INTO identity.household_evidence (
    household_id, person_id, kind, shared, partner, feed, source_person_id, source_family_id, delivery_id, line_no,
    since, until
)
SELECT
    placed.household_id,
    case_said.person_id,
    CASE WHEN case_said.source_family_id IS NULL THEN 'person' ELSE 'case' END AS kind,
    NULL AS shared,
    case_said.partner,
    case_said.feed,
    case_said.source_person_id,
    case_said.source_family_id,
    case_said.delivery_id,
    case_said.line_no,
    MIN(placed.since) AS since,
    NULLIF(MAX(COALESCE(placed.until, 'infinity')), 'infinity') AS until
FROM (
    SELECT DISTINCT
        member.household_id,
        household_case.number,
        member.since,
        member.until
    FROM member
    INNER JOIN household_case USING (moment, label)
) AS placed
INNER JOIN touching ON touching.number = placed.number
INNER JOIN case_said
    ON case_said.case_key = touching.case_key
    AND placed.since >= case_said.since
    AND (case_said.until IS NULL OR placed.since < case_said.until)
GROUP BY
    placed.household_id,
    case_said.person_id,
    case_said.partner,
    case_said.feed,
    case_said.source_person_id,
    case_said.source_family_id,
    case_said.delivery_id,
    case_said.line_no
UNION ALL
SELECT
    placed.household_id,
    case_address.person_id,
    'address' AS kind,
    STRING_AGG(DISTINCT placed.shared, ', ' ORDER BY placed.shared) AS shared,
    case_address.partner,
    case_address.feed,
    case_address.source_person_id,
    NULL AS source_family_id,
    case_address.delivery_id,
    case_address.line_no,
    MIN(placed.since) AS since,
    NULLIF(MAX(COALESCE(placed.until, 'infinity')), 'infinity') AS until
FROM (
    SELECT DISTINCT
        member.household_id,
        tied.number,
        tied.shared,
        member.since,
        member.until,
        home.address_key
    FROM (
        SELECT tie.moment, tie.l AS number, tie.shared FROM tie WHERE tie.by_address
        UNION
        SELECT tie.moment, tie.r, tie.shared FROM tie WHERE tie.by_address
    ) AS tied
    INNER JOIN household_case USING (moment, number)
    INNER JOIN member USING (moment, label)
    INNER JOIN home USING (moment, number)
) AS placed
INNER JOIN touching ON touching.number = placed.number
INNER JOIN case_address
    ON case_address.case_key = touching.case_key
    AND case_address.address_key = placed.address_key
    AND placed.since >= case_address.since
    AND (case_address.until IS NULL OR placed.since < case_address.until)
GROUP BY
    placed.household_id,
    case_address.person_id,
    case_address.partner,
    case_address.feed,
    case_address.source_person_id,
    case_address.delivery_id,
    case_address.line_no;

ANALYZE identity.household_member;

ANALYZE identity.household_evidence;

DROP TABLE
    spoke, case_said, address_said, address_key, surname, phone, case_address, touching, share, moment, present, home, pair,
    neighbour, tie, household_case, former, member, former_place;
