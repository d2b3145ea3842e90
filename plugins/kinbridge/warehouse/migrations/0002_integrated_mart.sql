-- Families, the integrated tables without direct identifiers, and the mart that analysts read. Run by the owner.
-- kb_linkage builds all of it; analysts read `mart` only. What the figures mean stands in the comments on each column.

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per child. The family a child was last in, kept so that family ids are stable; the ids are random.
CREATE TABLE identity.family_child (
    person_id uuid
    CONSTRAINT pk_family_child PRIMARY KEY
    CONSTRAINT fk_family_child_person REFERENCES identity.person ON DELETE CASCADE,
    family_id uuid NOT NULL
);
CREATE INDEX ix_family_child_family ON identity.family_child (family_id);

-------------------------------------------------------------------------------------------------------- integrated
-- No foreign keys: all of it is made anew in one transaction, and checking row by row would take longer than making it.

CREATE TABLE integrated.person (
    person_id uuid CONSTRAINT pk_integrated_person PRIMARY KEY,
    birth_month date,
    sex text,
    race_ethnicity text,
    language text,
    county_fips text,
    CONSTRAINT ck_integrated_person_birth_month CHECK (EXTRACT(DAY FROM birth_month) = 1)
);
COMMENT ON TABLE integrated.person IS
'One row per linked person. No name, number, address or partner''s id.';
COMMENT ON COLUMN integrated.person.person_id IS 'Random; not derived from what is known of the person.';
COMMENT ON COLUMN integrated.person.birth_month IS
'First day of the month of birth: the birth date that most partners give, the newest of equals.';
COMMENT ON COLUMN integrated.person.sex IS 'What most partners say, the newest of equals; none when no partner tells.';
COMMENT ON COLUMN integrated.person.race_ethnicity IS
'What most partners say, the newest of equals; none when no partner tells.';
COMMENT ON COLUMN integrated.person.language IS 'What was last said of the language of the home.';
COMMENT ON COLUMN integrated.person.county_fips IS 'County of the address that was last told.';

CREATE TABLE integrated.family (
    family_id uuid NOT NULL,
    person_id uuid NOT NULL,
    CONSTRAINT pk_family PRIMARY KEY (family_id, person_id)
);
CREATE INDEX ix_family_person ON integrated.family (person_id);
COMMENT ON TABLE integrated.family IS
'One row per member of a family with children. A child is in one family; an adult can be in several, or in none.';
COMMENT ON COLUMN integrated.family.family_id IS
'Random, stable from one build to the next. Partners'' families that share a child are one family.';
COMMENT ON COLUMN integrated.family.person_id IS 'The member.';

CREATE TABLE integrated.participation (
    person_id uuid NOT NULL,
    program text NOT NULL,
    entry_date date NOT NULL,
    exit_date date,
    CONSTRAINT pk_participation PRIMARY KEY (person_id, program, entry_date),
    CONSTRAINT ck_participation_dates CHECK (entry_date <= exit_date)
);
COMMENT ON TABLE integrated.participation IS
'One row per unbroken spell of a person in a program; spells of one program neither overlap nor touch.';
COMMENT ON COLUMN integrated.participation.person_id IS 'Who took part.';
COMMENT ON COLUMN integrated.participation.program IS 'Program code.';
COMMENT ON COLUMN integrated.participation.entry_date IS 'First day of the spell.';
COMMENT ON COLUMN integrated.participation.exit_date IS 'Last day of the spell; none while it lasts.';

CREATE TABLE integrated.referral (
    referral_id bigint CONSTRAINT pk_integrated_referral PRIMARY KEY,
    person_id uuid NOT NULL,
    referred_to_program text NOT NULL,
    referral_date date NOT NULL,
    county_fips text,
    observable boolean NOT NULL,
    service_start_date date,
    days_to_service integer,
    outcome text NOT NULL,
    CONSTRAINT ck_integrated_referral_outcome CHECK (
        outcome IN ('became_service', 'no_service', 'already_served', 'not_observable')
    ),
    CONSTRAINT ck_integrated_referral_service CHECK (
        (outcome = 'became_service') = (service_start_date IS NOT NULL)
        AND (outcome = 'not_observable') = NOT observable
        AND days_to_service IS NOT DISTINCT FROM service_start_date - referral_date
        AND days_to_service >= 0
    )
);
CREATE INDEX ix_integrated_referral_person ON integrated.referral (person_id);
COMMENT ON TABLE integrated.referral IS
'One row per person, receiving program and day of a referral, with what came of it.';
COMMENT ON COLUMN integrated.referral.referral_id IS 'Number within one build; no partner''s id.';
COMMENT ON COLUMN integrated.referral.person_id IS 'Who was referred.';
COMMENT ON COLUMN integrated.referral.referred_to_program IS 'The receiving program.';
COMMENT ON COLUMN integrated.referral.referral_date IS 'Day of the referral.';
COMMENT ON COLUMN integrated.referral.county_fips IS 'County of the person, as last told.';
COMMENT ON COLUMN integrated.referral.observable IS 'Whether the receiving program contributes records.';
COMMENT ON COLUMN integrated.referral.service_start_date IS
'First day in the receiving program on or after the referral; none without one, or when already in it.';
COMMENT ON COLUMN integrated.referral.days_to_service IS 'Days from the referral to the start of the service.';
COMMENT ON COLUMN integrated.referral.outcome IS
'became_service, no_service (none yet), already_served (in the program on the day before, and still), not_observable.';

CREATE TABLE integrated.service_event (
    service_event_id bigint CONSTRAINT pk_integrated_service_event PRIMARY KEY,
    person_id uuid NOT NULL,
    program text NOT NULL,
    service_date date NOT NULL,
    service_type text,
    delivery_method text,
    duration_minutes integer
);
CREATE INDEX ix_integrated_service_event_person ON integrated.service_event (person_id);
COMMENT ON TABLE integrated.service_event IS 'One row per service given to a person.';
COMMENT ON COLUMN integrated.service_event.service_event_id IS 'Number within one build; no partner''s id.';
COMMENT ON COLUMN integrated.service_event.person_id IS 'Who was served.';
COMMENT ON COLUMN integrated.service_event.program IS 'Program code.';
COMMENT ON COLUMN integrated.service_event.service_date IS 'Day of the service.';
COMMENT ON COLUMN integrated.service_event.service_type IS 'Kind of service.';
COMMENT ON COLUMN integrated.service_event.delivery_method IS 'How the service was given.';
COMMENT ON COLUMN integrated.service_event.duration_minutes IS 'Length in minutes.';

-------------------------------------------------------------------------------------------------------------- mart
-- No count of 1 to 10 can be stored here, whatever a program does: the constraints refuse it.

CREATE TABLE mart.children_served (
    month date NOT NULL,
    grouping text NOT NULL,
    programs text NOT NULL,
    children integer,
    families integer,
    children_withheld boolean NOT NULL,
    families_withheld boolean NOT NULL,
    CONSTRAINT pk_children_served PRIMARY KEY (month, grouping, programs),
    CONSTRAINT ck_children_served_grouping CHECK (grouping IN ('combination', 'program', 'total')),
    CONSTRAINT ck_children_served_withheld CHECK (
        children_withheld = (children IS NULL) AND families_withheld = (families IS NULL)
    ),
    CONSTRAINT ck_children_served_small CHECK (children NOT BETWEEN 1 AND 10 AND families NOT BETWEEN 1 AND 10)
);
COMMENT ON TABLE mart.children_served IS
'How many children under six and families each program, and each combination of programs, served in a month, '
'unduplicated. Combinations of a month add up to its programs and to any program; a combination without a row is zero.';
COMMENT ON COLUMN mart.children_served.month IS 'First day of the month.';
COMMENT ON COLUMN mart.children_served.grouping IS
'combination: served by exactly these programs. program: served by this one, whatever else. total: by any program.';
COMMENT ON COLUMN mart.children_served.programs IS
'Program codes in alphabetic order, joined by " + "; "any program" in the total.';
COMMENT ON COLUMN mart.children_served.children IS
'Children under six on the last day of the month who took part on at least one day of it; null when withheld.';
COMMENT ON COLUMN mart.children_served.families IS
'Families with at least one such child; a family''s combination is that of its children together. Null when withheld.';
COMMENT ON COLUMN mart.children_served.children_withheld IS
'Whether the count of children is withheld: it is 1 to 10, or would give such a count away.';
COMMENT ON COLUMN mart.children_served.families_withheld IS
'Whether the count of families is withheld: it is 1 to 10, or would give such a count away.';

CREATE TABLE mart.children_by_characteristic (
    month date NOT NULL,
    program text NOT NULL,
    characteristic text NOT NULL,
    value text NOT NULL,
    label text NOT NULL,
    children integer,
    withheld boolean NOT NULL,
    CONSTRAINT pk_children_by_characteristic PRIMARY KEY (month, program, characteristic, value),
    CONSTRAINT ck_children_by_characteristic_name CHECK (
        characteristic IN ('age_group', 'race_ethnicity', 'language', 'county')
    ),
    CONSTRAINT ck_children_by_characteristic_withheld CHECK (withheld = (children IS NULL)),
    CONSTRAINT ck_children_by_characteristic_small CHECK (children NOT BETWEEN 1 AND 10)
);
COMMENT ON TABLE mart.children_by_characteristic IS
'Who the children are that a program served in a month. The values of one characteristic add up to the program''s '
'children in mart.children_served; a value without a row is zero.';
COMMENT ON COLUMN mart.children_by_characteristic.month IS 'First day of the month.';
COMMENT ON COLUMN mart.children_by_characteristic.program IS 'Program code, or "any program".';
COMMENT ON COLUMN mart.children_by_characteristic.characteristic IS 'age_group, race_ethnicity, language or county.';
COMMENT ON COLUMN mart.children_by_characteristic.value IS
'Code: completed years on the last day of the month, or a code of the standard code set; "unknown" when none is told.';
COMMENT ON COLUMN mart.children_by_characteristic.label IS 'The value in words.';
COMMENT ON COLUMN mart.children_by_characteristic.children IS
'Children under six served in the month, as in mart.children_served; null when withheld. County: as last told.';
COMMENT ON COLUMN mart.children_by_characteristic.withheld IS
'Whether the count is withheld: it is 1 to 10, or would give such a count away.';

CREATE TABLE mart.referral_outcomes (
    program text NOT NULL,
    county text NOT NULL,
    county_label text NOT NULL,
    referrals integer,
    became_service integer,
    no_service integer,
    already_served integer,
    not_observable integer,
    share_became_service numeric(5, 4),
    median_days_to_service numeric(7, 1),
    referrals_withheld boolean NOT NULL,
    became_service_withheld boolean NOT NULL,
    no_service_withheld boolean NOT NULL,
    already_served_withheld boolean NOT NULL,
    not_observable_withheld boolean NOT NULL,
    share_withheld boolean NOT NULL,
    median_withheld boolean NOT NULL,
    CONSTRAINT pk_referral_outcomes PRIMARY KEY (program, county),
    CONSTRAINT ck_referral_outcomes_withheld CHECK (
        referrals_withheld = (referrals IS NULL)
        AND became_service_withheld = (became_service IS NULL)
        AND no_service_withheld = (no_service IS NULL)
        AND already_served_withheld = (already_served IS NULL)
        AND not_observable_withheld = (not_observable IS NULL)
        AND NOT (share_withheld AND share_became_service IS NOT NULL)
        AND NOT (median_withheld AND median_days_to_service IS NOT NULL)
    ),
    CONSTRAINT ck_referral_outcomes_small CHECK (
        referrals NOT BETWEEN 1 AND 10
        AND became_service NOT BETWEEN 1 AND 10
        AND no_service NOT BETWEEN 1 AND 10
        AND already_served NOT BETWEEN 1 AND 10
        AND not_observable NOT BETWEEN 1 AND 10
    ),
    CONSTRAINT ck_referral_outcomes_share CHECK (
        share_became_service IS NULL OR (became_service IS NOT NULL AND no_service IS NOT NULL)
    ),
    CONSTRAINT ck_referral_outcomes_median CHECK (median_days_to_service IS NULL OR became_service > 10)
);
COMMENT ON TABLE mart.referral_outcomes IS
'What came of referrals, by receiving program and county, over all months. The four outcomes add up to the referrals, '
'counties to "any county", programs to "any program"; a pair without a row is zero. Newer referrals had less time.';
COMMENT ON COLUMN mart.referral_outcomes.program IS 'The receiving program, or "any program".';
COMMENT ON COLUMN mart.referral_outcomes.county IS
'County code of the person referred, as last told; "unknown" when none is, or "any county".';
COMMENT ON COLUMN mart.referral_outcomes.county_label IS 'The county''s name.';
COMMENT ON COLUMN mart.referral_outcomes.referrals IS
'Referrals; of one person to one program on one day only one counts. Null when withheld.';
COMMENT ON COLUMN mart.referral_outcomes.became_service IS
'Referrals after which the person started in the receiving program, on the day or later. Null when withheld.';
COMMENT ON COLUMN mart.referral_outcomes.no_service IS 'Referrals without such a start so far. Null when withheld.';
COMMENT ON COLUMN mart.referral_outcomes.already_served IS
'Referrals of persons who were in the receiving program already. Null when withheld.';
COMMENT ON COLUMN mart.referral_outcomes.not_observable IS
'Referrals to a program that contributes no records, so that nobody can tell. Null when withheld.';
COMMENT ON COLUMN mart.referral_outcomes.share_became_service IS
'became_service / (became_service + no_service); null without any, or when one of the two is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.median_days_to_service IS
'Median days from referral to start, of those that became a service; null when these are fewer than 11 or withheld.';
COMMENT ON COLUMN mart.referral_outcomes.referrals_withheld IS 'Whether referrals is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.became_service_withheld IS 'Whether became_service is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.no_service_withheld IS 'Whether no_service is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.already_served_withheld IS 'Whether already_served is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.not_observable_withheld IS 'Whether not_observable is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.share_withheld IS 'Whether the share is withheld.';
COMMENT ON COLUMN mart.referral_outcomes.median_withheld IS 'Whether the median is withheld.';

CREATE TABLE mart.data_as_of (
    partner text NOT NULL,
    feed text NOT NULL,
    period date NOT NULL,
    as_of date NOT NULL,
    state text NOT NULL,
    loaded_at timestamptz NOT NULL,
    source_rows bigint,
    CONSTRAINT ck_data_as_of_small CHECK (source_rows NOT BETWEEN 1 AND 10)
);
COMMENT ON TABLE mart.data_as_of IS 'One row per delivery that went into the figures.';
COMMENT ON COLUMN mart.data_as_of.partner IS 'Who delivered.';
COMMENT ON COLUMN mart.data_as_of.feed IS 'Which feed.';
COMMENT ON COLUMN mart.data_as_of.period IS 'First day of the month that the delivery covers.';
COMMENT ON COLUMN mart.data_as_of.as_of IS 'Day as of which the partner speaks.';
COMMENT ON COLUMN mart.data_as_of.state IS 'How the delivery was accepted.';
COMMENT ON COLUMN mart.data_as_of.loaded_at IS 'When it was loaded.';
COMMENT ON COLUMN mart.data_as_of.source_rows IS 'Rows of the file; null when 1 to 10.';

CREATE TABLE mart.publication (
    published_at timestamptz NOT NULL,
    age_limit_months integer NOT NULL,
    minimum_cell integer NOT NULL,
    figures bigint NOT NULL,
    withheld bigint NOT NULL,
    CONSTRAINT ck_publication_withheld CHECK (withheld BETWEEN 0 AND figures)
);
COMMENT ON TABLE mart.publication IS 'One row: when and how the figures were made.';
COMMENT ON COLUMN mart.publication.published_at IS 'When the figures were published.';
COMMENT ON COLUMN mart.publication.age_limit_months IS 'Children are younger than this on the last day of the month.';
COMMENT ON COLUMN mart.publication.minimum_cell IS 'The smallest count that is shown besides zero.';
COMMENT ON COLUMN mart.publication.figures IS 'Counts in the tables that are not zero.';
COMMENT ON COLUMN mart.publication.withheld IS 'How many of them are withheld.';

CREATE VIEW mart.month_coverage WITH (security_invoker = true) AS
SELECT
    months.month,
    feeds.feed,
    EXISTS (
        SELECT 1
        FROM mart.data_as_of AS delivery
        WHERE delivery.feed = feeds.feed
            AND delivery.period = months.month
    ) AS delivered
FROM (SELECT DISTINCT data_as_of.period AS month FROM mart.data_as_of) AS months
CROSS JOIN (SELECT DISTINCT data_as_of.feed FROM mart.data_as_of) AS feeds;
COMMENT ON VIEW mart.month_coverage IS
'One row per month and feed. Where a feed has not delivered, the month''s figures of its program are too low.';
COMMENT ON COLUMN mart.month_coverage.month IS 'First day of the month.';
COMMENT ON COLUMN mart.month_coverage.feed IS 'Which feed.';
COMMENT ON COLUMN mart.month_coverage.delivered IS 'Whether a delivery of the feed for the month went in.';

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT, INSERT, UPDATE, DELETE ON identity.family_child TO kb_linkage;
-- The number of rows of each delivery, for mart.data_as_of.
GRANT SELECT ON ledger.account TO kb_linkage;
GRANT SELECT, INSERT, DELETE, MAINTAIN ON ALL TABLES IN SCHEMA integrated TO kb_linkage;
GRANT SELECT, INSERT, DELETE, MAINTAIN ON
mart.children_served, mart.children_by_characteristic, mart.referral_outcomes, mart.data_as_of, mart.publication
TO kb_linkage;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO kb_analyst;
