-- target: integrated.person
-- grain: one row per linked person
-- sources: record.person, record.person_address, identity.person_link; current rows only
-- Birth date, sex, race and ethnicity do not change: what most partners say counts, of equals what was said last, then
-- the first in alphabetic order. Language and county do change: what was said last counts, then the first partner.
-- The codes for "not told" are no statement.
INSERT INTO integrated.person (person_id, birth_month, sex, race_ethnicity, language, county_fips)
WITH said AS (
    SELECT
        link.person_id,
        person.partner,
        person.as_of,
        person.birth_date,
        NULLIF(person.sex, 'NotSelected') AS sex,
        NULLIF(person.race_ethnicity, 'RaceAndEthnicityUnknown') AS race_ethnicity,
        person.language
    FROM record.person
    INNER JOIN identity.person_link AS link USING (partner, source_person_id)
    WHERE person.known_to IS NULL
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
    SELECT DISTINCT ON (link.person_id)
        link.person_id,
        address.county_fips AS value
    FROM record.person_address AS address
    INNER JOIN identity.person_link AS link USING (partner, source_person_id)
    WHERE address.known_to IS NULL
        AND address.county_fips IS NOT NULL
    ORDER BY
        link.person_id,
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
FROM (SELECT DISTINCT person_link.person_id FROM identity.person_link) AS person
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
