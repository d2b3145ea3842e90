-- SNAP participation to the common schema. A person who changes households within the month stands on two
-- lines: the later benefits speak for the person.

-- target: person
-- grain: one row per person
-- sources: source, codes_sex, codes_ethnicity, codes_race, codes_language
-- CEDS asks race and ethnicity as one question; of the agency's two answers, Hispanic comes first.
SELECT DISTINCT ON (source.individual_id)
    source.line_no,
    source.individual_id AS source_person_id,
    TRIM(source.first_name) AS first_name,
    TRIM(source.last_name) AS last_name,
    source.dob AS birth_date,
    codes_sex.sex,
    REGEXP_REPLACE(source.ssn, '[^0-9]', '', 'g') AS ssn,
    COALESCE(codes_ethnicity.race_ethnicity, codes_race.race_ethnicity) AS race_ethnicity,
    codes_language.language
FROM source
LEFT JOIN codes_sex
    ON source.sex = codes_sex.code
LEFT JOIN codes_ethnicity
    ON source.ethnicity = codes_ethnicity.code
LEFT JOIN codes_race
    ON source.race = codes_race.code
LEFT JOIN codes_language
    ON source.language = codes_language.code
ORDER BY
    source.individual_id,
    source.benefit_start DESC,
    source.line_no;

-- target: person_address
-- grain: one row per person
-- sources: source, codes_county
-- The file has no state: benefits go to residents of Jefferson only.
SELECT DISTINCT ON (source.individual_id)
    source.line_no,
    source.individual_id AS source_person_id,
    TRIM(source.street) AS address_line,
    TRIM(source.city) AS city,
    'JF' AS state,
    source.zip AS postal_code,
    codes_county.county_fips
FROM source
LEFT JOIN codes_county
    ON source.county_name = codes_county.code
ORDER BY
    source.individual_id,
    source.benefit_start DESC,
    source.line_no;

-- target: family_member
-- grain: one row per household and person
-- sources: source, codes_relationship
-- A relationship that says nothing of age (other) leaves the role to the age at the first day of benefits.
SELECT DISTINCT ON (source.case_number, source.individual_id)
    source.line_no,
    source.case_number AS source_family_id,
    source.individual_id AS source_person_id,
    COALESCE(
        codes_relationship.family_role,
        CASE WHEN source.dob + INTERVAL '18 years' > source.benefit_start THEN 'child' ELSE 'adult' END
    ) AS family_role
FROM source
LEFT JOIN codes_relationship
    ON source.relationship = codes_relationship.code
ORDER BY
    source.case_number,
    source.individual_id,
    source.benefit_start DESC,
    source.line_no;

-- target: program_enrollment
-- grain: one row per household, person and span of benefits within the month
-- sources: source
SELECT
    source.line_no,
    source.case_number || '/' || source.individual_id || '/' || TO_CHAR(source.benefit_start, 'YYYYMMDD')
        AS source_enrollment_id,
    source.individual_id AS source_person_id,
    source.case_number AS source_family_id,
    'snap' AS program,
    source.benefit_start AS entry_date,
    source.benefit_end AS exit_date
FROM source;
