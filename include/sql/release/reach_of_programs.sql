-- target: the file of the release reach_of_programs
-- grain: one row per child under six at the beginning of 2026 and spell since 2024
-- sources: integrated.person, integrated.participation
SELECT
    person.person_id,
    person.birth_month AS birth_year,
    person.sex,
    person.county_fips AS county,
    spell.program,
    spell.entry_date AS entry_year
FROM integrated.person AS person
INNER JOIN integrated.participation AS spell ON spell.person_id = person.person_id
WHERE person.birth_month >= DATE '2020-01-01'
    AND spell.entry_date >= DATE '2024-01-01'
