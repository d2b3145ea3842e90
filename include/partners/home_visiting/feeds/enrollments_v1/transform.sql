-- Home visiting enrollments to the common schema. Siblings share an enrollment, and a family may enroll
-- again, so a child or caregiver can stand on several lines: the newest enrollment then speaks for them.

-- target: person
-- grain: one row per child and per caregiver
-- sources: source
WITH child AS (
    SELECT DISTINCT ON (source.child_id)
        source.line_no,
        source.child_id AS source_person_id,
        TRIM(source.child_first_name) AS first_name,
        TRIM(source.child_middle_name) AS middle_name,
        TRIM(source.child_last_name) AS last_name,
        source.child_birth_date AS birth_date,
        source.child_sex AS sex,
        source.child_race_ethnicity AS race_ethnicity,
        source.child_language AS language
    FROM source
    ORDER BY
        source.child_id,
        source.entry_date DESC,
        source.line_no
),

caregiver AS (
    SELECT DISTINCT ON (source.caregiver_id)
        source.line_no,
        source.caregiver_id AS source_person_id,
        TRIM(source.caregiver_first_name) AS first_name,
        TRIM(source.caregiver_last_name) AS last_name,
        source.caregiver_birth_date AS birth_date,
        source.caregiver_email AS email,
        REGEXP_REPLACE(source.caregiver_phone, '[^0-9]', '', 'g') AS phone
    FROM source
    ORDER BY
        source.caregiver_id,
        source.entry_date DESC,
        source.line_no
)

SELECT
    child.line_no,
    child.source_person_id,
    child.first_name,
    child.middle_name,
    child.last_name,
    child.birth_date,
    child.sex,
    child.race_ethnicity,
    child.language,
    CAST(NULL AS text) AS email,
    CAST(NULL AS text) AS phone
FROM child
UNION ALL
SELECT
    caregiver.line_no,
    caregiver.source_person_id,
    caregiver.first_name,
    CAST(NULL AS text) AS middle_name,
    caregiver.last_name,
    caregiver.birth_date,
    CAST(NULL AS text) AS sex,
    CAST(NULL AS text) AS race_ethnicity,
    CAST(NULL AS text) AS language,
    caregiver.email,
    caregiver.phone
FROM caregiver;

-- target: person_address
-- grain: one row per child and per caregiver
-- sources: source
WITH child AS (
    SELECT DISTINCT ON (source.child_id)
        source.line_no,
        source.child_id AS source_person_id,
        TRIM(source.address_line) AS address_line,
        TRIM(source.city) AS city,
        source.state,
        source.postal_code,
        source.county_fips
    FROM source
    ORDER BY
        source.child_id,
        source.entry_date DESC,
        source.line_no
),

caregiver AS (
    SELECT DISTINCT ON (source.caregiver_id)
        source.line_no,
        source.caregiver_id AS source_person_id,
        TRIM(source.address_line) AS address_line,
        TRIM(source.city) AS city,
        source.state,
        source.postal_code,
        source.county_fips
    FROM source
    ORDER BY
        source.caregiver_id,
        source.entry_date DESC,
        source.line_no
)

SELECT
    child.line_no,
    child.source_person_id,
    child.address_line,
    child.city,
    child.state,
    child.postal_code,
    child.county_fips
FROM child
UNION ALL
SELECT
    caregiver.line_no,
    caregiver.source_person_id,
    caregiver.address_line,
    caregiver.city,
    caregiver.state,
    caregiver.postal_code,
    caregiver.county_fips
FROM caregiver;

-- target: person_relationship
-- grain: one row per caregiver and child; equal rows of further enrollments fall together
-- sources: source
SELECT
    source.line_no,
    source.caregiver_id AS source_person_id,
    source.child_id AS related_source_person_id,
    'caregiver' AS relationship_type
FROM source;

-- target: family_member
-- grain: one row per family and member; equal rows of further enrollments fall together
-- sources: source
SELECT
    source.line_no,
    source.family_id AS source_family_id,
    source.child_id AS source_person_id,
    'child' AS family_role
FROM source
UNION ALL
SELECT
    source.line_no,
    source.family_id AS source_family_id,
    source.caregiver_id AS source_person_id,
    'adult' AS family_role
FROM source;

-- target: program_enrollment
-- grain: one row per enrollment and child
-- sources: source, codes_exit_reason
SELECT
    source.line_no,
    source.enrollment_id || '/' || source.child_id AS source_enrollment_id,
    source.child_id AS source_person_id,
    source.family_id AS source_family_id,
    'home_visiting' AS program,
    source.model AS program_detail,
    source.entry_date,
    source.exit_date,
    codes_exit_reason.exit_reason
FROM source
LEFT JOIN codes_exit_reason
    ON source.exit_reason = codes_exit_reason.code;
