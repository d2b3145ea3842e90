-- The benchmark's members to the common schema.

-- target: person
-- grain: one row per member
-- sources: source, codes_sex, codes_race, codes_language
SELECT
    source.line_no,
    source.member_id AS source_person_id,
    source.first_name,
    source.middle_init AS middle_name,
    source.last_name,
    source.dob AS birth_date,
    codes_sex.sex,
    REPLACE(source.ssn, '-', '') AS ssn,
    codes_race.race_ethnicity,
    codes_language.language,
    source.email,
    REPLACE(source.phone, '-', '') AS phone
FROM source
LEFT JOIN codes_sex
    ON source.sex = codes_sex.code
LEFT JOIN codes_race
    ON source.race_cd = codes_race.code
LEFT JOIN codes_language
    ON source.lang_cd = codes_language.code;
