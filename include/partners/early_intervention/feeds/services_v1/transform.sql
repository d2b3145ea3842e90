-- Early intervention services to the common schema.

-- target: person
-- grain: one row per child
-- sources: source, codes_sex, codes_race, codes_language
SELECT
    source.line_no,
    source.ei_id AS source_person_id,
    TRIM(source.child_first_name) AS first_name,
    TRIM(source.child_last_name) AS last_name,
    source.child_dob AS birth_date,
    codes_sex.sex,
    codes_race.race_ethnicity,
    codes_language.language
FROM source
LEFT JOIN codes_sex
    ON source.gender = codes_sex.code
LEFT JOIN codes_race
    ON source.race_ethnicity = codes_race.code
LEFT JOIN codes_language
    ON source.home_language = codes_language.code;

-- target: person_address
-- grain: one row per child
-- sources: source, codes_county
-- The file has no state: the program serves residents of Jefferson only.
SELECT
    source.line_no,
    source.ei_id AS source_person_id,
    TRIM(source.street) AS address_line,
    TRIM(source.city) AS city,
    'JF' AS state,
    source.zip AS postal_code,
    codes_county.county_fips
FROM source
LEFT JOIN codes_county
    ON source.county = codes_county.code;

-- target: early_intervention
-- grain: one row per child, served or not
-- sources: source, codes_referral_source, codes_service_type, codes_exit_reason
SELECT
    source.line_no,
    source.ei_id AS source_person_id,
    source.referral_date,
    codes_referral_source.referral_source,
    source.evaluation_date,
    source.ifsp_date AS plan_date,
    source.service_start_date,
    codes_service_type.service_type,
    source.exit_date,
    codes_exit_reason.exit_reason
FROM source
LEFT JOIN codes_referral_source
    ON source.referral_source = codes_referral_source.code
LEFT JOIN codes_service_type
    ON source.service_type = codes_service_type.code
LEFT JOIN codes_exit_reason
    ON source.exit_reason = codes_exit_reason.code;

-- target: program_enrollment
-- grain: one row per child with a service started: only these are served
-- sources: source, codes_exit_reason
SELECT
    source.line_no,
    source.ei_id AS source_enrollment_id,
    source.ei_id AS source_person_id,
    'early_intervention' AS program,
    source.service_start_date AS entry_date,
    source.exit_date,
    codes_exit_reason.exit_reason
FROM source
LEFT JOIN codes_exit_reason
    ON source.exit_reason = codes_exit_reason.code
WHERE source.service_start_date IS NOT NULL;
