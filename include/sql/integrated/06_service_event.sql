-- target: integrated.service_event
-- grain: one row per service
-- sources: usable_service_event
INSERT INTO integrated.service_event (
    service_event_id,
    person_id,
    program,
    service_date,
    service_type,
    delivery_method,
    duration_minutes
)
SELECT
    ROW_NUMBER() OVER (
        ORDER BY event.person_id, event.service_date, event.feed, event.source_service_event_id
    ) AS service_event_id,
    event.person_id,
    event.program,
    event.service_date,
    event.service_type,
    event.delivery_method,
    event.duration_minutes
FROM usable_service_event AS event;

ANALYZE integrated.service_event;
