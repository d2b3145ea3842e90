-- target: usable_link, usable_person, usable_address, usable_family_member, usable_enrollment, usable_exit,
--   usable_early_intervention, usable_referral, usable_service_event (temporary views)
-- grain: as of the tables of record; current rows only, each with the person that it is about
-- sources: record, identity.person_link; permitted_feed, withheld_person, withheld_program, withheld_feed (temporary)
-- The gate of everything below: a row counts when its feed is permitted and neither its person nor its program is
-- withheld. A row that names no program goes when all programs are withheld of which its feed speaks; a referral when
-- either of its programs is. No other file of this folder reads record.
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
    person.birth_date,
    person.sex,
    person.race_ethnicity,
    person.language
FROM record.person
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE person.known_to IS NULL
    AND person.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
    address.county_fips
FROM record.person_address AS address
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE address.known_to IS NULL
    AND address.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
    member.family_role
FROM record.family_member AS member
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE member.known_to IS NULL
    AND member.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
    enrollment.source_family_id,
    enrollment.program,
    enrollment.entry_date,
    enrollment.exit_date,
    enrollment.as_of
FROM record.program_enrollment AS enrollment
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE enrollment.known_to IS NULL
    AND enrollment.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
    program_exit.exit_date
FROM record.program_exit
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE program_exit.known_to IS NULL
    AND program_exit.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
    AND NOT EXISTS (
        SELECT
        FROM withheld_feed
        WHERE withheld_feed.person_id = link.person_id
            AND withheld_feed.feed = program_exit.feed
    );

CREATE OR REPLACE TEMP VIEW usable_early_intervention AS
SELECT
    link.person_id,
    service.service_start_date,
    service.exit_date
FROM record.early_intervention AS service
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE service.known_to IS NULL
    AND service.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
WHERE referral.known_to IS NULL
    AND referral.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
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
    event.service_type,
    event.delivery_method,
    event.duration_minutes
FROM record.service_event AS event
INNER JOIN usable_link AS link USING (partner, source_person_id)
WHERE event.known_to IS NULL
    AND event.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
    AND NOT EXISTS (
        SELECT
        FROM withheld_program
        WHERE withheld_program.person_id = link.person_id
            AND withheld_program.program = event.program
    );
