-- Medicaid eligibility to the common schema. A member with two spans in the month stands on two lines:
-- the later span speaks for the member.

-- target: person
-- grain: one row per member
-- sources: source, codes_sex, codes_race, codes_language
SELECT DISTINCT ON (source.member_id)
    source.line_no,
    source.member_id AS source_person_id,
    TRIM(source.first_name) AS first_name,
    TRIM(source.middle_init) AS middle_name,
    TRIM(source.last_name) AS last_name,
    source.dob AS birth_date,
    codes_sex.sex,
    REGEXP_REPLACE(source.ssn, '[^0-9]', '', 'g') AS ssn,
    codes_race.race_ethnicity,
    codes_language.language
FROM source
LEFT JOIN codes_sex
    ON source.sex = codes_sex.code
LEFT JOIN codes_race
    ON source.race_cd = codes_race.code
LEFT JOIN codes_language
    ON source.lang_cd = codes_language.code
ORDER BY
    source.member_id,
    source.elig_beg DESC,
    source.line_no;

-- target: person_address
-- grain: one row per member
-- sources: source, codes_county
SELECT DISTINCT ON (source.member_id)
    source.line_no,
    source.member_id AS source_person_id,
    TRIM(source.addr1) AS address_line,
    TRIM(source.city) AS city,
    source.state,
    source.zip AS postal_code,
    codes_county.county_fips
FROM source
LEFT JOIN codes_county
    ON source.county_cd = codes_county.code
ORDER BY
    source.member_id,
    source.elig_beg DESC,
    source.line_no;

-- target: family_member
-- grain: one row per case and member
-- sources: source, codes_aid_category
-- An aid category that says nothing of age (disability) leaves the role to the age at the start of coverage.
SELECT DISTINCT ON (source.case_id, source.member_id)
    source.line_no,
    source.case_id AS source_family_id,
    source.member_id AS source_person_id,
    COALESCE(
        codes_aid_category.family_role,
        CASE WHEN source.dob + INTERVAL '18 years' > source.elig_beg THEN 'child' ELSE 'adult' END
    ) AS family_role
FROM source
LEFT JOIN codes_aid_category
    ON source.aid_cat = codes_aid_category.code
ORDER BY
    source.case_id,
    source.member_id,
    source.elig_beg DESC,
    source.line_no;

-- target: program_enrollment
-- grain: one row per member and span of coverage within the month
-- sources: source, codes_aid_category
SELECT
    source.line_no,
    source.member_id || '/' || TO_CHAR(source.elig_beg, 'YYYYMMDD') AS source_enrollment_id,
    source.member_id AS source_person_id,
    source.case_id AS source_family_id,
    'medicaid' AS program,
    codes_aid_category.program_detail,
    source.elig_beg AS entry_date,
    source.elig_end AS exit_date
FROM source
LEFT JOIN codes_aid_category
    ON source.aid_cat = codes_aid_category.code;
