-- target: case_said, address_said (temporary tables)
-- grain: case_said: one row per statement that a person is of a partner's case; address_said: one per statement of a home
-- sources: record.family_member, program_enrollment, person_address; ledger.delivery, load; usable_link, integrated.person,
--   permitted_feed, withheld_feed, withheld_program (temporary)
-- What partners said in time: since the as-of day of the delivery that said it first, until that of the delivery that said
-- otherwise or said it no more. A statement stands until then: nobody repeats what has not changed. The same gates hold as
-- for what is current: a feed that is permitted, a person and program that are not withheld.

-- Each day on which a feed spoke, and the next one.
CREATE TEMP TABLE spoke ON COMMIT DROP AS
SELECT
    spoke.feed,
    spoke.as_of,
    LEAD(spoke.as_of) OVER (PARTITION BY spoke.feed ORDER BY spoke.as_of) AS next_as_of
FROM (
    SELECT DISTINCT
        delivery.feed,
        delivery.as_of
    FROM ledger.delivery
    INNER JOIN ledger.load USING (delivery_id)
) AS spoke;

CREATE TEMP TABLE case_row ON COMMIT DROP AS
SELECT
    link.person_id,
    member.partner,
    member.feed,
    member.source_person_id,
    member.source_family_id,
    member.family_role,
    member.delivery_id,
    member.line_no,
    said.as_of AS since,
    member.as_of AS last_said,
    CASE WHEN member.known_to IS NOT NULL THEN COALESCE(next_said.as_of, spoke.next_as_of) END AS until
FROM record.family_member AS member
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN ledger.delivery AS said ON said.delivery_id = member.delivery_id
LEFT JOIN spoke
    ON spoke.feed = member.feed
    AND spoke.as_of = member.as_of
LEFT JOIN record.family_member AS following
    ON following.feed = member.feed
    AND following.source_family_id = member.source_family_id
    AND following.source_person_id = member.source_person_id
    AND following.known_from = member.known_to
LEFT JOIN ledger.delivery AS next_said ON next_said.delivery_id = following.delivery_id
WHERE member.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = member.feed
    );

CREATE INDEX ON case_row (partner, source_person_id);

ANALYZE case_row;

-- A feed of enrollments may be the only one that names the case; an enrollment that ended is no case any more.
INSERT INTO case_row
SELECT
    link.person_id,
    enrollment.partner,
    enrollment.feed,
    enrollment.source_person_id,
    enrollment.source_family_id,
    NULL AS family_role,
    enrollment.delivery_id,
    enrollment.line_no,
    said.as_of AS since,
    enrollment.as_of AS last_said,
    LEAST(
        CASE WHEN enrollment.known_to IS NOT NULL THEN COALESCE(next_said.as_of, spoke.next_as_of) END,
        ended.as_of
    ) AS until
FROM record.program_enrollment AS enrollment
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN ledger.delivery AS said ON said.delivery_id = enrollment.delivery_id
LEFT JOIN spoke
    ON spoke.feed = enrollment.feed
    AND spoke.as_of = enrollment.as_of
LEFT JOIN record.program_enrollment AS following
    ON following.feed = enrollment.feed
    AND following.source_enrollment_id = enrollment.source_enrollment_id
    AND following.known_from = enrollment.known_to
LEFT JOIN ledger.delivery AS next_said ON next_said.delivery_id = following.delivery_id
LEFT JOIN LATERAL (
    SELECT MIN(later.as_of) AS as_of
    FROM spoke AS later
    WHERE later.feed = enrollment.feed
        AND later.as_of >= enrollment.exit_date
) AS ended ON enrollment.exit_date IS NOT NULL
WHERE enrollment.source_family_id IS NOT NULL
    AND enrollment.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program = enrollment.program
    )
    AND NOT EXISTS (
        SELECT
        FROM case_row
        WHERE case_row.partner = enrollment.partner
            AND case_row.source_person_id = enrollment.source_person_id
    );

-- A partner that names another case for a person, and the former one no more, has moved the person.
CREATE TEMP TABLE case_said ON COMMIT DROP AS
SELECT *
FROM (
    SELECT
        case_row.person_id,
        case_row.partner,
        case_row.feed,
        case_row.source_person_id,
        case_row.source_family_id,
        case_row.partner || ' case ' || case_row.source_family_id AS case_key,
        case_row.family_role,
        case_row.delivery_id,
        case_row.line_no,
        case_row.since,
        LEAST(case_row.until, MIN(other.since)) AS until
    FROM case_row
    LEFT JOIN case_row AS other
        ON other.partner = case_row.partner
        AND other.source_person_id = case_row.source_person_id
        AND other.source_family_id <> case_row.source_family_id
        AND other.since > case_row.last_said
    GROUP BY
        case_row.person_id,
        case_row.partner,
        case_row.feed,
        case_row.source_person_id,
        case_row.source_family_id,
        case_row.family_role,
        case_row.delivery_id,
        case_row.line_no,
        case_row.since,
        case_row.until
) AS said
WHERE said.until IS NULL
    OR said.until > said.since;

CREATE TEMP TABLE address_said ON COMMIT DROP AS
SELECT *
FROM (
    SELECT
        link.person_id,
        address.partner,
        address.feed,
        address.source_person_id,
        address.address_line,
        address.city,
        address.postal_code,
        address.delivery_id,
        address.line_no,
        said.as_of AS since,
        CASE WHEN address.known_to IS NOT NULL THEN COALESCE(next_said.as_of, spoke.next_as_of) END AS until
    FROM record.person_address AS address
    INNER JOIN usable_link AS link USING (partner, source_person_id)
    INNER JOIN ledger.delivery AS said ON said.delivery_id = address.delivery_id
    LEFT JOIN spoke
        ON spoke.feed = address.feed
        AND spoke.as_of = address.as_of
    LEFT JOIN record.person_address AS following
        ON following.feed = address.feed
        AND following.source_person_id = address.source_person_id
        AND following.known_from = address.known_to
    LEFT JOIN ledger.delivery AS next_said ON next_said.delivery_id = following.delivery_id
    WHERE address.address_line IS NOT NULL
        AND address.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_feed
            WHERE withheld_feed.person_id = link.person_id
                AND withheld_feed.feed = address.feed
        )
) AS said
WHERE said.until IS NULL
    OR said.until > said.since;

-- Whom a partner counts to no case is one by itself, where it is said to live.
INSERT INTO case_said
SELECT
    address_said.person_id,
    address_said.partner,
    address_said.feed,
    address_said.source_person_id,
    NULL AS source_family_id,
    address_said.partner || ' person ' || address_said.source_person_id AS case_key,
    NULL AS family_role,
    address_said.delivery_id,
    address_said.line_no,
    address_said.since,
    address_said.until
FROM address_said
WHERE NOT EXISTS (
    SELECT
    FROM case_row
    WHERE case_row.partner = address_said.partner
        AND case_row.source_person_id = address_said.source_person_id
);

DROP TABLE case_row;

ANALYZE case_said;

ANALYZE address_said;
