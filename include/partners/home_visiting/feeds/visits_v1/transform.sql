-- Home visits to the common schema.

-- target: service_event
-- grain: one row per visit
-- sources: source, codes_visit_mode
SELECT
    source.line_no,
    source.visit_id AS source_service_event_id,
    source.child_id AS source_person_id,
    source.enrollment_id || '/' || source.child_id AS source_enrollment_id,
    'home_visiting' AS program,
    source.visit_date AS service_date,
    'home_visit' AS service_type,
    codes_visit_mode.delivery_method,
    source.duration_minutes
FROM source
LEFT JOIN codes_visit_mode
    ON source.visit_mode = codes_visit_mode.code;
