-- The warehouse's first shape: schemas, tables, grants. Run by the owner (kb_owner); roles are made before, by provisioning.
-- Every column of a record table has its meaning in include/standards/common_schema.csv; `kinbridge check` compares them.

CREATE SCHEMA ledger;
CREATE SCHEMA landing;
CREATE SCHEMA quarantine;
CREATE SCHEMA record;
CREATE SCHEMA identity;
CREATE SCHEMA integrated;
CREATE SCHEMA mart;
CREATE SCHEMA release;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

------------------------------------------------------------------------------------------------------------ ledger

-- Grain: one row per file that a partner dropped and the pipeline saw.
CREATE TABLE ledger.delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_delivery PRIMARY KEY,
    partner text NOT NULL,
    feed text NOT NULL,
    file_name text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    remote_mtime timestamptz,
    period date,
    as_of date NOT NULL,
    landed_path text,
    contract_version text NOT NULL,
    agreement_id text NOT NULL,
    agreement_version text NOT NULL,
    state text NOT NULL DEFAULT 'collected',
    state_reason text,
    duplicate_of bigint CONSTRAINT fk_delivery_duplicate_of REFERENCES ledger.delivery,
    collected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    CONSTRAINT ck_delivery_state CHECK (state IN (
        'collected', 'staged', 'validated', 'held', 'approved',
        'accepted', 'accepted_with_findings', 'partly_accepted', 'refused', 'duplicate'
    )),
    CONSTRAINT ck_delivery_feed CHECK (feed LIKE partner || '/%')
);
-- The same bytes are worked on once per feed; a second copy is recorded with state `duplicate`. A refused delivery put
-- nothing into the record, so its bytes may come again (after the contract was mended, say).
CREATE UNIQUE INDEX uq_delivery_bytes ON ledger.delivery (feed, sha256)
WHERE duplicate_of IS NULL AND state <> 'refused';
CREATE INDEX ix_delivery_feed ON ledger.delivery (feed, file_name);

-- Grain: one row per thing that happened to a delivery, in order. Never updated.
CREATE TABLE ledger.event (
    event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_event PRIMARY KEY,
    delivery_id bigint CONSTRAINT fk_event_delivery REFERENCES ledger.delivery,
    feed text,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    what text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ix_event_delivery ON ledger.event (delivery_id);
CREATE INDEX ix_event_feed ON ledger.event (feed, what) WHERE delivery_id IS NULL;

-- Grain: one row per delivery. Every row of the file has exactly one fate.
CREATE TABLE ledger.account (
    delivery_id bigint CONSTRAINT pk_account PRIMARY KEY CONSTRAINT fk_account_delivery REFERENCES ledger.delivery,
    source_rows bigint NOT NULL,
    loaded bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    undecided bigint NOT NULL DEFAULT 0,
    CONSTRAINT ck_account_balances CHECK (source_rows = loaded + unchanged + quarantined + duplicate + undecided)
);

-- Grain: one row per rule that was held against a delivery; `gx_count` is Great Expectations' own count.
CREATE TABLE ledger.rule_result (
    delivery_id bigint NOT NULL CONSTRAINT fk_rule_result_delivery REFERENCES ledger.delivery,
    rule text NOT NULL,
    code text NOT NULL,
    column_name text,
    severity text NOT NULL,
    scope text NOT NULL,
    found bigint NOT NULL,
    gx_count bigint,
    CONSTRAINT pk_rule_result PRIMARY KEY (delivery_id, rule),
    CONSTRAINT ck_rule_result_severity CHECK (severity IN ('critical', 'warning')),
    CONSTRAINT ck_rule_result_scope CHECK (scope IN ('row', 'file')),
    CONSTRAINT ck_rule_result_agrees CHECK (gx_count IS NULL OR gx_count = found)
);

-- Grain: one row per rule broken by one row of a delivery. Holds no value. It has no foreign key, whose check per row
-- would double the cost of a file with a million findings; rule_result is written in the same transaction.
CREATE TABLE ledger.finding (
    delivery_id bigint NOT NULL,
    rule text NOT NULL,
    line_no bigint NOT NULL,
    CONSTRAINT pk_finding PRIMARY KEY (delivery_id, rule, line_no)
);

-- Grain: one row per decision that a person took on something that waited.
CREATE TABLE ledger.decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_decision PRIMARY KEY,
    delivery_id bigint CONSTRAINT fk_decision_delivery REFERENCES ledger.delivery,
    outcome text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    reason text,
    CONSTRAINT ck_decision_outcome CHECK (outcome IN ('approved', 'rejected'))
);
CREATE UNIQUE INDEX uq_decision_delivery ON ledger.decision (delivery_id);

-- Grain: one row per delivery that was loaded. Written in the transaction that loads, so that a load happens once.
CREATE TABLE ledger.load (
    delivery_id bigint CONSTRAINT pk_load PRIMARY KEY CONSTRAINT fk_load_delivery REFERENCES ledger.delivery,
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    targets jsonb NOT NULL
);

-- Grain: one row per integration (link, build, publish); `loads` is how many loads it has seen.
CREATE TABLE ledger.integration (
    integration_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_integration PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    loads bigint NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}'
);

-------------------------------------------------------------------------------------------------------- quarantine

-- Grain: one row per source row that was refused, with the text of its authorised columns, kept for correction and replay.
CREATE TABLE quarantine.source_row (
    delivery_id bigint NOT NULL CONSTRAINT fk_source_row_delivery REFERENCES ledger.delivery,
    line_no bigint NOT NULL,
    rules text[] NOT NULL,
    content jsonb NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_by bigint CONSTRAINT fk_source_row_resolved_by REFERENCES ledger.delivery,
    CONSTRAINT pk_source_row PRIMARY KEY (delivery_id, line_no)
);

------------------------------------------------------------------------------------------------------------ record
-- Every record table ends in the same provenance: who said it (partner, feed), in which file and line, under which
-- contract version, as of when; and when we learned it (known_from) and when it was superseded (known_to, null while current).

CREATE TABLE record.person (
    source_person_id text NOT NULL,
    first_name text,
    middle_name text,
    last_name text,
    name_suffix text,
    birth_date date,
    sex text,
    ssn text,
    race_ethnicity text,
    language text,
    email text,
    phone text
);
CREATE TABLE record.person_address (
    source_person_id text NOT NULL,
    address_line text,
    city text,
    state text,
    postal_code text,
    county_fips text
);
CREATE TABLE record.person_relationship (
    source_person_id text NOT NULL,
    related_source_person_id text NOT NULL,
    relationship_type text NOT NULL
);
CREATE TABLE record.family_member (
    source_family_id text NOT NULL,
    source_person_id text NOT NULL,
    family_role text NOT NULL
);
CREATE TABLE record.program_enrollment (
    source_enrollment_id text NOT NULL,
    source_person_id text NOT NULL,
    source_family_id text,
    program text NOT NULL,
    program_detail text,
    entry_date date NOT NULL,
    exit_date date,
    exit_reason text
);
CREATE TABLE record.service_event (
    source_service_event_id text NOT NULL,
    source_person_id text NOT NULL,
    source_enrollment_id text,
    program text NOT NULL,
    service_date date NOT NULL,
    service_type text,
    delivery_method text,
    duration_minutes integer
);
CREATE TABLE record.referral (
    source_referral_id text NOT NULL,
    source_person_id text NOT NULL,
    source_family_id text,
    referring_program text NOT NULL,
    referred_to_program text NOT NULL,
    referral_date date NOT NULL,
    referral_reason text
);
CREATE TABLE record.early_intervention (
    source_person_id text NOT NULL,
    referral_date date NOT NULL,
    referral_source text,
    evaluation_date date,
    plan_date date,
    service_start_date date,
    service_type text,
    exit_date date,
    exit_reason text
);

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT *
        FROM (VALUES
            ('person', 'source_person_id'),
            ('person_address', 'source_person_id'),
            ('person_relationship', 'source_person_id, related_source_person_id'),
            ('family_member', 'source_family_id, source_person_id'),
            ('program_enrollment', 'source_enrollment_id'),
            ('service_event', 'source_service_event_id'),
            ('referral', 'source_referral_id'),
            ('early_intervention', 'source_person_id, referral_date')
        ) AS t (name, key_columns)
    LOOP
        EXECUTE format($ddl$
            ALTER TABLE record.%1$I
                ADD COLUMN partner text NOT NULL,
                ADD COLUMN feed text NOT NULL,
                ADD COLUMN delivery_id bigint NOT NULL,
                ADD COLUMN line_no bigint NOT NULL,
                ADD COLUMN contract_version text NOT NULL,
                ADD COLUMN as_of date NOT NULL,
                ADD COLUMN row_hash bigint NOT NULL,
                ADD COLUMN known_from timestamptz NOT NULL,
                ADD COLUMN known_to timestamptz
        $ddl$, target.name);
        -- delivery_id has no foreign key: its check per row costs as much as several bare COPYs of the file, and the load
        -- locks the delivery's ledger row in the same transaction.
        -- At most one current row per partner's own key and feed: two feeds of a partner may both speak of one person.
        -- The key comes first: comparing the feed's name again and again would cost a third of an insert.
        EXECUTE format(
            'CREATE UNIQUE INDEX uq_%1$s_current ON record.%1$I (%2$s, feed) WHERE known_to IS NULL',
            target.name, target.key_columns
        );
        -- Rows of a delivery lie together, so a block range index finds them at next to no cost.
        EXECUTE format('CREATE INDEX ix_%1$s_delivery ON record.%1$I USING brin (delivery_id)', target.name);
    END LOOP;
END
$$;

-- Grain: one row per key that a feed has delivered and that a sibling feed's contract refers to. `column_names` are contract
-- names joined with a comma; `key_values` the values as sent, in that order.
CREATE TABLE record.reference_key (
    feed text NOT NULL,
    column_names text NOT NULL,
    key_values text[] NOT NULL,
    delivery_id bigint NOT NULL CONSTRAINT fk_reference_key_delivery REFERENCES ledger.delivery,
    CONSTRAINT pk_reference_key PRIMARY KEY (feed, column_names, key_values)
);

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per linkage run.
CREATE TABLE identity.run (
    run_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_run PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    model_version text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}'
);

-- Grain: one row per person. The id is random and is never derived from what is known of the person (45 CFR 164.514(c)).
CREATE TABLE identity.person (
    person_id uuid CONSTRAINT pk_person PRIMARY KEY,
    first_run_id bigint NOT NULL CONSTRAINT fk_person_run REFERENCES identity.run,
    merged_into uuid CONSTRAINT fk_person_merged_into REFERENCES identity.person
);

-- Grain: one row per person that a partner knows by an id of its own.
CREATE TABLE identity.person_link (
    partner text NOT NULL,
    source_person_id text NOT NULL,
    person_id uuid NOT NULL CONSTRAINT fk_person_link_person REFERENCES identity.person,
    run_id bigint NOT NULL CONSTRAINT fk_person_link_run REFERENCES identity.run,
    CONSTRAINT pk_person_link PRIMARY KEY (partner, source_person_id)
);
CREATE INDEX ix_person_link_person ON identity.person_link (person_id);

-- Grain: one row per pair of source persons that a run held for the same person.
CREATE TABLE identity.edge (
    run_id bigint NOT NULL CONSTRAINT fk_edge_run REFERENCES identity.run,
    partner_left text NOT NULL,
    source_person_id_left text NOT NULL,
    partner_right text NOT NULL,
    source_person_id_right text NOT NULL,
    match_probability double precision NOT NULL,
    rule text NOT NULL,
    CONSTRAINT pk_edge PRIMARY KEY (
        run_id, partner_left, source_person_id_left, partner_right, source_person_id_right
    )
);

-- Grain: one row per person that a run merged into another, split, or moved a source person between.
CREATE TABLE identity.person_change (
    run_id bigint NOT NULL CONSTRAINT fk_person_change_run REFERENCES identity.run,
    kind text NOT NULL,
    from_person_id uuid NOT NULL,
    to_person_id uuid NOT NULL,
    source_persons bigint NOT NULL,
    CONSTRAINT ck_person_change_kind CHECK (kind IN ('merged', 'split', 'moved'))
);

------------------------------------------------------------------------------------------------------------ grants

GRANT USAGE ON SCHEMA ledger, quarantine, record TO kb_pipeline;
GRANT USAGE, CREATE ON SCHEMA landing TO kb_pipeline;
GRANT SELECT, INSERT, UPDATE ON ledger.delivery TO kb_pipeline;
GRANT SELECT, INSERT ON ledger.event, ledger.decision, ledger.load TO kb_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.account, ledger.rule_result, ledger.finding TO kb_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON quarantine.source_row TO kb_pipeline;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA record TO kb_pipeline;

GRANT USAGE ON SCHEMA ledger, record, identity, integrated, mart TO kb_linkage;
GRANT SELECT ON ledger.delivery, ledger.load, ledger.integration TO kb_linkage;
GRANT INSERT, UPDATE ON ledger.integration TO kb_linkage;
GRANT INSERT ON ledger.event TO kb_linkage;
GRANT SELECT ON ALL TABLES IN SCHEMA record TO kb_linkage;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA identity TO kb_linkage;

GRANT USAGE ON SCHEMA ledger, quarantine TO kb_steward;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger, quarantine TO kb_steward;

GRANT USAGE ON SCHEMA mart TO kb_analyst;
