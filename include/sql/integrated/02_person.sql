-- target: integrated.person
-- grain: one row per linked person
-- sources: usable_link, usable_person, usable_address, usable_enrollment, usable_referral, usable_service_event,
--   usable_early_intervention, usable_family_member
-- Birth date, sex, race and ethnicity do not change: what most partners say counts, of equals what was said last, then
-- the first in alphabetic order. Language and county do change: what was said last counts, then the first partner.
-- The codes for "not told" are no statement.
INSERT INTO integrated.person (person_id, birth_month, sex, race_ethnicity, language, county_fips)
WITH said AS (
    SELECT
        person.person_id,
        person.partner,
        person.as_of,
        person.birth_date,
        NULLIF(person.sex, 'NotSelected') AS sex,
        NULLIF(person.race_ethnicity, 'RaceAndEthnicityUnknown') AS race_ethnicity,
        person.language
    FROM usable_person AS person
),

vote AS (
    SELECT
        said.person_id,
        attribute.name,
        attribute.value,
        COUNT(DISTINCT said.partner) AS partners,
        MAX(said.as_of) AS last_said
    FROM said
    CROSS JOIN LATERAL (
        VALUES
        ('birth_date', said.birth_date::text),
        ('sex', said.sex),
        ('race_ethnicity', said.race_ethnicity)
    ) AS attribute (name, value)
    WHERE attribute.value IS NOT NULL
    GROUP BY
        said.person_id,
        attribute.name,
        attribute.value
),

settled AS (
    SELECT DISTINCT ON (vote.person_id, vote.name)
        vote.person_id,
        vote.name,
        vote.value
    FROM vote
    ORDER BY
        vote.person_id,
        vote.name,
        vote.partners DESC,
        vote.last_said DESC,
        vote.value
),

language AS (
    SELECT DISTINCT ON (said.person_id)
        said.person_id,
        said.language AS value
    FROM said
    WHERE said.language IS NOT NULL
    ORDER BY
        said.person_id,
        said.as_of DESC,
        said.partner,
        said.language
),

county AS (
    SELECT DISTINCT ON (address.person_id)
        address.person_id,
        address.county_fips AS value
    FROM usable_address AS address
    WHERE address.county_fips IS NOT NULL
    ORDER BY
        address.person_id,
        address.as_of DESC,
        address.partner,
        address.county_fips
)

SELECT
    person.person_id,
    DATE_TRUNC('month', birth.value::date)::date AS birth_month,
    sex.value AS sex,
    race.value AS race_ethnicity,
    language.value AS language,
    county.value AS county_fips
-- Whoever anything usable is said of; persons of whom nothing may be used have no row.
FROM (
    SELECT usable_person.person_id FROM usable_person
    UNION
    SELECT usable_address.person_id FROM usable_address
    UNION
    SELECT usable_family_member.person_id FROM usable_family_member
    UNION
    SELECT usable_enrollment.person_id FROM usable_enrollment
    UNION
    SELECT usable_early_intervention.person_id FROM usable_early_intervention
    UNION
    SELECT usable_referral.person_id FROM usable_referral
    UNION
    SELECT usable_service_event.person_id FROM usable_service_event
) AS person
LEFT JOIN settled AS birth
    ON birth.person_id = person.person_id
    AND birth.name = 'birth_date'
LEFT JOIN settled AS sex
    ON sex.person_id = person.person_id
    AND sex.name = 'sex'
LEFT JOIN settled AS race
    ON race.person_id = person.person_id
    AND race.name = 'race_ethnicity'
LEFT JOIN language
    ON language.person_id = person.person_id
LEFT JOIN county
    ON county.person_id = person.person_id;

ANALYZE integrated.person;
