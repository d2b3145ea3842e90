-- target: usable_link, usable_person, usable_address, usable_family_member, usable_enrollment, usable_exit,
--   usable_early_intervention, usable_referral, usable_service_event (temporary views)
-- grain: as of the tables of record; current rows only, each with the person that it is about
-- sources: record, identity.person_link; permitted_feed, withheld_person, withheld_program, withheld_feed (temporary)
-- The gate of everything below: a row counts when its feed is permitted and neither its person nor its program is
-- withheld. A row that names no program goes when all programs are withheld of which its feed speaks; a referral when
-- either of its programs is. What the feed's agreement does not give (`without`) is as good as never sent: the value is
-- empty, and a row that is nothing without it is left out. No other file reads record.
CREATE OR REPLACE TEMP VIEW usable_link AS
SELECT
    link.partner,
    link.source_person_id,
    link.person_id
FROM identity.person_link AS link
WHERE NOT EXISTS (SELECT FROM withheld_person WHERE withheld_person.person_id = link.person_id);

CREATE OR REPLACE TEMP VIEW usable_person AS
SELECT
    link.person_id,
    person.partner,
    person.as_of,
    CASE WHEN 'person.birth_date' <> ALL(permitted.without) THEN person.birth_date END AS birth_date,
    CASE WHEN 'person.sex' <> ALL(permitted.without) THEN person.sex END AS sex,
    CASE WHEN 'person.race_ethnicity' <> ALL(permitted.without) THEN person.race_ethnicity END AS race_ethnicity,
    CASE WHEN 'person.language' <> ALL(permitted.without) THEN person.language END AS language
FROM record.person
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = person.feed
WHERE person.known_to IS NULL
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = person.feed
    );

CREATE OR REPLACE TEMP VIEW usable_address AS
SELECT
    link.person_id,
    address.partner,
    address.as_of,
    CASE WHEN 'person_address.county_fips' <> ALL(permitted.without) THEN address.county_fips END AS county_fips
FROM record.person_address AS address
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = address.feed
WHERE address.known_to IS NULL
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = address.feed
    );

CREATE OR REPLACE TEMP VIEW usable_family_member AS
SELECT
    link.person_id,
    member.partner,
    member.source_family_id,
    member.as_of,
    CASE WHEN 'family_member.family_role' <> ALL(permitted.without) THEN member.family_role END AS family_role
FROM record.family_member AS member
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = member.feed
WHERE member.known_to IS NULL
    AND 'family_member.source_family_id' <> ALL(permitted.without)
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = member.feed
    );

CREATE OR REPLACE TEMP VIEW usable_enrollment AS
SELECT
    link.person_id,
    enrollment.partner,
    enrollment.source_person_id,
    enrollment.source_enrollment_id,
    CASE WHEN 'program_enrollment.source_family_id' <> ALL(permitted.without) THEN enrollment.source_family_id END AS source_family_id,
    enrollment.program,
    enrollment.entry_date,
    CASE WHEN 'program_enrollment.exit_date' <> ALL(permitted.without) THEN enrollment.exit_date END AS exit_date,
    enrollment.as_of
FROM record.program_enrollment AS enrollment
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = enrollment.feed
WHERE enrollment.known_to IS NULL
    AND NOT permitted.without && ARRAY['program_enrollment.program', 'program_enrollment.entry_date']
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program = enrollment.program
    );

CREATE OR REPLACE TEMP VIEW usable_exit AS
SELECT
    program_exit.partner,
    program_exit.source_enrollment_id,
    CASE WHEN 'program_exit.exit_date' <> ALL(permitted.without) THEN program_exit.exit_date END AS exit_date
FROM record.program_exit
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = program_exit.feed
WHERE program_exit.known_to IS NULL
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = program_exit.feed
    );

CREATE OR REPLACE TEMP VIEW usable_early_intervention AS
SELECT
    link.person_id,
    CASE WHEN 'early_intervention.service_start_date' <> ALL(permitted.without) THEN service.service_start_date END AS service_start_date,
    CASE WHEN 'early_intervention.exit_date' <> ALL(permitted.without) THEN service.exit_date END AS exit_date
FROM record.early_intervention AS service
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = service.feed
WHERE service.known_to IS NULL
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program = 'early_intervention'
    );

CREATE OR REPLACE TEMP VIEW usable_referral AS
SELECT
    link.person_id,
    referral.referred_to_program,
    referral.referral_date
FROM record.referral
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = referral.feed
WHERE referral.known_to IS NULL
    AND NOT permitted.without && ARRAY['referral.referring_program', 'referral.referred_to_program', 'referral.referral_date']
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program IN (referral.referring_program, referral.referred_to_program)
    );

CREATE OR REPLACE TEMP VIEW usable_service_event AS
SELECT
    link.person_id,
    event.feed,
    event.source_service_event_id,
    event.program,
    event.service_date,
    CASE WHEN 'service_event.service_type' <> ALL(permitted.without) THEN event.service_type END AS service_type,
    CASE WHEN 'service_event.delivery_method' <> ALL(permitted.without) THEN event.delivery_method END AS delivery_method,
    CASE WHEN 'service_event.duration_minutes' <> ALL(permitted.without) THEN event.duration_minutes END AS duration_minutes
FROM record.service_event AS event
INNER JOIN usable_link AS link USING (partner, source_person_id)
INNER JOIN permitted_feed AS permitted ON permitted.feed = event.feed
WHERE event.known_to IS NULL
    AND NOT permitted.without && ARRAY['service_event.program', 'service_event.service_date']
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program = event.program
    );
