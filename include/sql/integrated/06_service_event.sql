-- target: integrated.service_event
-- grain: one row per service
-- sources: record.service_event, identity.person_link; current rows only
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
        ORDER BY link.person_id, event.service_date, event.feed, event.source_service_event_id
    ) AS service_event_id,
    link.person_id,
    event.program,
    event.service_date,
    event.service_type,
    event.delivery_method,
    event.duration_minutes
FROM record.service_event AS event
INNER JOIN identity.person_link AS link USING (partner, source_person_id)
WHERE event.known_to IS NULL;

ANALYZE integrated.service_event;
