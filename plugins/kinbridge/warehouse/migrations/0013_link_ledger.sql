-- The link ledger: links that live until they change, membership with history, the trained model by which records are
-- scored, and the prepared records, keys and pairs from which a run goes on where the last one ended. Run by the owner.

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per trained model. Never changed: what was learnt once scores until another is adopted. `content` holds the
-- numbers (m, u, priors, block sizes) and names of comparisons, and no value of a person; `model_digest` tells by which
-- declared model and cleaning it was learnt. `learnt_by` is a run, the command, or a declared file whose numbers it holds.
CREATE TABLE identity.trained_model (
    training_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_trained_model PRIMARY KEY,
    model_version text NOT NULL,
    model_digest text NOT NULL,
    content jsonb NOT NULL,
    content_digest text NOT NULL,
    records bigint NOT NULL,
    learnt_by text NOT NULL,
    learnt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_trained_model_learnt_by CHECK (learnt_by IN ('run', 'command', 'declared'))
);

-- Grain: one row per value of a cleaned column that a trained model knows the frequency of: its share of the filled rows.
CREATE TABLE identity.term_frequency (
    training_id bigint NOT NULL CONSTRAINT fk_term_frequency_training REFERENCES identity.trained_model,
    column_name text NOT NULL,
    value text NOT NULL,
    frequency double precision NOT NULL,
    CONSTRAINT pk_term_frequency PRIMARY KEY (training_id, column_name, value),
    CONSTRAINT ck_term_frequency_frequency CHECK (frequency > 0 AND frequency <= 1)
);

-- Grain: one row per time that a trained model was adopted; the newest is the one in use.
CREATE TABLE identity.training_adoption (
    adoption_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_training_adoption PRIMARY KEY,
    training_id bigint NOT NULL CONSTRAINT fk_training_adoption_training REFERENCES identity.trained_model,
    adopted_by text NOT NULL,
    reason text NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_training_adoption_adopted_by CHECK (btrim(adopted_by) <> ''),
    CONSTRAINT ck_training_adoption_reason CHECK (btrim(reason) <> '')
);

-- By what a run scored, and whether it linked everything anew or only what had changed.
ALTER TABLE identity.run
ADD COLUMN training_id bigint CONSTRAINT fk_run_training REFERENCES identity.trained_model,
ADD COLUMN model_digest text,
ADD COLUMN scope text,
ADD CONSTRAINT ck_run_scope CHECK (scope IN ('whole', 'changes'));

-- Grain: one row per source person that is current in the record and may be linked, made comparable: beside the originals,
-- never over them. `record` is its number for as long as it is here. `stated` is the fingerprint of the rows of the record that
-- it was made of. `stated_ssn` and `stated_ssn_end` are as the partner gave them; `ssn` and `ssn_end` are empty where too many
-- birth dates share the number. The columns are those of `linkage.columns.CLEANED_COLUMNS`.
CREATE TABLE identity.prepared (
    record bigint CONSTRAINT pk_prepared PRIMARY KEY,
    source text NOT NULL,
    source_person_id text NOT NULL,
    stated bigint NOT NULL,
    first_name text,
    first_initial text,
    first_forms text [],
    first_root text,
    first_sound text,
    middle_name text,
    middle_initial text,
    last_name text,
    last_parts text [],
    last_sound text,
    both_names text,
    generation integer,
    birth_date date,
    birth_digits text,
    birth_year integer,
    birth_month text,
    birth_day text,
    birth_key text,
    sex text,
    ssn text,
    ssn_end text,
    stated_ssn text,
    stated_ssn_end text,
    email text,
    email_name text,
    phone text,
    house_number text,
    street text,
    address text,
    city text,
    postal_code text,
    mother text,
    local_id text,
    family text,
    kin text [],
    self text,
    CONSTRAINT uq_prepared UNIQUE (source, source_person_id)
);
CREATE INDEX ix_prepared_stated_ssn ON identity.prepared (stated_ssn) WHERE stated_ssn IS NOT NULL;
CREATE INDEX ix_prepared_family ON identity.prepared (source, family) WHERE family IS NOT NULL;

-- Grain: one row per blocking rule and record that has a value in all its columns: the rule and the values as one number.
-- No primary key: the index below finds the records of a key, which is all that is asked.
CREATE TABLE identity.blocking_key (
    key bigint NOT NULL,
    record bigint NOT NULL
);
CREATE INDEX ix_blocking_key ON identity.blocking_key (key) INCLUDE (record);

-- Grain: one row per key that more records share than the rule allows: it says too little to compare records for.
CREATE TABLE identity.crowded_key (
    key bigint CONSTRAINT pk_crowded_key PRIMARY KEY
);

-- Grain: one row per two prepared records that are worth a look or more by the trained model; left is the smaller by source
-- and source_person_id. `weight` is in bits, log2 of the odds; `apart` names what contradicts. `levels` and `weights` say into
-- which level each comparison fell, in the order of the trained model's comparisons (0: missing), and what that weighs.
CREATE TABLE identity.pair (
    record_left bigint NOT NULL,
    record_right bigint NOT NULL,
    weight double precision NOT NULL,
    match_probability double precision NOT NULL,
    rule text NOT NULL,
    apart text,
    levels smallint [] NOT NULL,
    weights real [] NOT NULL,
    CONSTRAINT pk_pair PRIMARY KEY (record_left, record_right)
);
CREATE INDEX ix_pair_right ON identity.pair (record_right);

-- Grain: one row per pair with a decision that the last run obeyed, and how: `refused` is true for a `same` that another
-- decision's `different` contradicts.
CREATE TABLE identity.verdict_applied (
    partner_left text NOT NULL,
    source_person_id_left text NOT NULL,
    partner_right text NOT NULL,
    source_person_id_right text NOT NULL,
    verdict text NOT NULL,
    decision_id bigint NOT NULL,
    refused boolean NOT NULL,
    run_id bigint NOT NULL CONSTRAINT fk_verdict_applied_run REFERENCES identity.run,
    CONSTRAINT pk_verdict_applied PRIMARY KEY (
        partner_left, source_person_id_left, partner_right, source_person_id_right
    ),
    CONSTRAINT ck_verdict_applied_verdict CHECK (verdict IN ('same', 'different'))
);

-- An edge has a life: since which run, until which run it was another or none, and why. A pair whose evidence changes begins a
-- new life. At most one living edge for a pair.
ALTER TABLE identity.edge RENAME TO edge_copy;
ALTER TABLE identity.edge_copy RENAME CONSTRAINT pk_edge TO pk_edge_copy;
ALTER TABLE identity.edge_copy RENAME CONSTRAINT fk_edge_run TO fk_edge_copy_run;
CREATE TABLE identity.edge (
    edge_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_edge PRIMARY KEY,
    partner_left text NOT NULL,
    source_person_id_left text NOT NULL,
    partner_right text NOT NULL,
    source_person_id_right text NOT NULL,
    match_probability double precision NOT NULL,
    rule text NOT NULL,
    levels smallint [] NOT NULL,
    weights real [] NOT NULL,
    training_id bigint CONSTRAINT fk_edge_training REFERENCES identity.trained_model,
    since_run_id bigint NOT NULL CONSTRAINT fk_edge_since_run REFERENCES identity.run,
    until_run_id bigint CONSTRAINT fk_edge_until_run REFERENCES identity.run,
    ended text,
    CONSTRAINT ck_edge_end CHECK ((until_run_id IS NULL) = (ended IS NULL)),
    CONSTRAINT ck_edge_ended CHECK (ended IN ('scored anew', 'no link', 'parted', 'decided', 'withdrawn'))
);
CREATE UNIQUE INDEX uq_edge_living ON identity.edge (
    partner_left, source_person_id_left, partner_right, source_person_id_right
) WHERE until_run_id IS NULL;
CREATE INDEX ix_edge_right ON identity.edge (partner_right, source_person_id_right);
CREATE INDEX ix_edge_left ON identity.edge (partner_left, source_person_id_left) WHERE until_run_id IS NOT NULL;

-- The copies that each run left become lives: a pair in runs that followed each other is one edge with the last values.
INSERT INTO identity.edge (
    partner_left, source_person_id_left, partner_right, source_person_id_right, match_probability, rule, levels, weights,
    since_run_id, until_run_id, ended
)
WITH run AS (
    SELECT
        run_id,
        row_number() OVER (ORDER BY run_id) AS place,
        lead(run_id) OVER (ORDER BY run_id) AS next_run_id
    FROM identity.run
    WHERE finished_at IS NOT NULL
),
life AS (
    SELECT
        copy.*,
        run.next_run_id,
        run.place - row_number() OVER (
            PARTITION BY partner_left, source_person_id_left, partner_right, source_person_id_right ORDER BY run_id
        ) AS island
    FROM identity.edge_copy AS copy
    INNER JOIN run USING (run_id)
)
SELECT
    partner_left,
    source_person_id_left,
    partner_right,
    source_person_id_right,
    (array_agg(match_probability ORDER BY run_id DESC))[1],
    (array_agg(rule ORDER BY run_id DESC))[1],
    '{}',
    '{}',
    min(run_id),
    CASE WHEN bool_and(next_run_id IS NOT NULL) THEN max(next_run_id) END,
    CASE WHEN bool_and(next_run_id IS NOT NULL) THEN 'no link' END
FROM life
GROUP BY partner_left, source_person_id_left, partner_right, source_person_id_right, island;
DROP TABLE identity.edge_copy;

-- Grain: one row per time that a source person was in a person, from the run that put it there to the run that took it out.
CREATE TABLE identity.membership (
    partner text NOT NULL,
    source_person_id text NOT NULL,
    person_id uuid NOT NULL CONSTRAINT fk_membership_person REFERENCES identity.person,
    since_run_id bigint NOT NULL CONSTRAINT fk_membership_since_run REFERENCES identity.run,
    until_run_id bigint CONSTRAINT fk_membership_until_run REFERENCES identity.run,
    CONSTRAINT pk_membership PRIMARY KEY (partner, source_person_id, since_run_id)
);
CREATE INDEX ix_membership_person ON identity.membership (person_id);
CREATE UNIQUE INDEX uq_membership_open ON identity.membership (partner, source_person_id) WHERE until_run_id IS NULL;
INSERT INTO identity.membership (partner, source_person_id, person_id, since_run_id)
SELECT partner, source_person_id, person_id, run_id
FROM identity.person_link;

-- A change has a number, by which it can be taken back. Those that were there are numbered as they lie.
ALTER TABLE identity.person_change
ADD COLUMN change_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_person_change PRIMARY KEY;
CREATE INDEX ix_person_change_from ON identity.person_change (from_person_id);
CREATE INDEX ix_person_change_to ON identity.person_change (to_person_id);

-- What a change was taken back by: the decisions that hold the two former parts apart.
CREATE TABLE identity.change_undone (
    change_id bigint NOT NULL CONSTRAINT fk_change_undone_change REFERENCES identity.person_change,
    decision_id bigint NOT NULL CONSTRAINT fk_change_undone_decision REFERENCES identity.pair_decision ON DELETE CASCADE,
    CONSTRAINT pk_change_undone PRIMARY KEY (change_id, decision_id)
);

--------------------------------------------------------------------------------------------------------- destruction

-- What linkage has prepared is made of the record alone, and the next run makes it anew, and counts anew how often names occur.
-- So every destruction empties it as a whole: nothing of a destroyed row can be left in it, nor in the tables' old files.
CREATE FUNCTION retention.forget_prepared() RETURNS TABLE (relation text, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target text;
    gone bigint;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'identity.prepared', 'identity.blocking_key', 'identity.crowded_key', 'identity.pair', 'identity.verdict_applied',
        'identity.term_frequency'
    ] LOOP
        EXECUTE 'SELECT count(*) FROM ' || target INTO gone;
        IF gone > 0 THEN
            EXECUTE 'TRUNCATE ' || target;
        END IF;
        RETURN QUERY SELECT target, gone;
    END LOOP;
END
$$;
-- The planner's statistics hold values of a column, and those of an emptied table stay: here none are kept.
DO $$
DECLARE
    named text;
BEGIN
    FOR named IN
        SELECT a.attname
        FROM pg_attribute AS a
        WHERE a.attrelid = 'identity.prepared'::regclass
            AND a.attnum > 0
            AND a.attname NOT IN ('record', 'source', 'stated')
    LOOP
        EXECUTE format('ALTER TABLE identity.prepared ALTER COLUMN %I SET STATISTICS 0', named);
    END LOOP;
END
$$;
ALTER TABLE identity.term_frequency ALTER COLUMN value SET STATISTICS 0;

-- Destroys one kind of a batch: 'record', 'quarantine' or 'identity'. How many rows of which table. Doing it again destroys
-- what came to be due by the same cutoff meanwhile, mostly nothing.
CREATE OR REPLACE FUNCTION retention.destroy(asked bigint, asked_kind text) RETURNS TABLE (relation text, rows bigint)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch ledger.destruction := retention.approved(asked);
    until timestamptz;
    whom text;
    target regclass;
    gone bigint;
    known text;
BEGIN
    SELECT item.cutoff INTO until
    FROM ledger.destruction_item AS item
    WHERE item.destruction_id = asked AND item.kind = asked_kind;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the batch % has nothing of the kind %', asked, asked_kind;
    END IF;
    IF batch.cause = 'request' THEN
        SELECT p.source_person_id INTO whom
        FROM retention.requested_person AS p
        WHERE p.request_id = batch.request_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the request of the batch % names nobody', asked;
        END IF;
    END IF;
    IF asked_kind IN ('record', 'quarantine') THEN
        FOR target IN SELECT retention.relations(asked_kind) LOOP
            EXECUTE format(
                'DELETE FROM %s AS t WHERE %s', target,
                retention.scope(target, batch.cause, batch.feed, batch.partner, whom, until)
            );
            GET DIAGNOSTICS gone = ROW_COUNT;
            RETURN QUERY SELECT target::text, gone;
        END LOOP;
        IF asked_kind = 'record' THEN
            RETURN QUERY SELECT * FROM retention.forget_prepared();
        END IF;
        RETURN;
    END IF;
    IF asked_kind <> 'identity' THEN
        RAISE EXCEPTION 'rows of the kind % are not destroyed here', asked_kind;
    END IF;
    -- A source person is still known while any table of the record has a row of it.
    SELECT string_agg(
        format('SELECT t.source_person_id FROM %s AS t WHERE t.partner = %L', c.oid::regclass, batch.partner), ' UNION '
    ) INTO known
    FROM pg_class AS c
    WHERE c.relnamespace = 'record'::regnamespace
        AND c.relkind IN ('r', 'p')
        AND (
            SELECT count(*)
            FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname IN ('partner', 'source_person_id')
        ) = 2
        AND c.relname <> 'person_key_change';
    CREATE TEMPORARY TABLE known_source_person (source_person_id text) ON COMMIT DROP;
    EXECUTE 'INSERT INTO pg_temp.known_source_person ' || known;
    -- What a steward recorded of consent stays while the person is known by another link.
    DELETE FROM identity.consent_statement AS s
    WHERE s.partner = batch.partner
        AND s.source_person_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = s.source_person_id)
        AND NOT EXISTS (
            SELECT
            FROM identity.person_link AS l
            INNER JOIN identity.person_link AS other USING (person_id)
            WHERE l.partner = s.partner AND l.source_person_id = s.source_person_id AND other.partner <> s.partner
        )
        AND NOT EXISTS (SELECT FROM identity.consent_statement AS later WHERE later.supersedes = s.statement_id);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.consent_statement', gone;
    RETURN QUERY SELECT * FROM retention.forget_prepared();
    DELETE FROM identity.pair_decision AS d
    WHERE d.partner_left = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = d.source_person_id_left)
        OR d.partner_right = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = d.source_person_id_right);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.pair_decision', gone;
    DELETE FROM identity.edge AS e
    WHERE e.partner_left = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = e.source_person_id_left)
        OR e.partner_right = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = e.source_person_id_right);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.edge', gone;
    DELETE FROM identity.membership AS m
    WHERE m.partner = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = m.source_person_id)
        AND NOT EXISTS (
            SELECT
            FROM identity.consent_statement AS s
            WHERE s.partner = m.partner AND s.source_person_id = m.source_person_id
        );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.membership', gone;
    DELETE FROM identity.person_link AS l
    WHERE l.partner = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = l.source_person_id)
        AND NOT EXISTS (
            SELECT
            FROM identity.consent_statement AS s
            WHERE s.partner = l.partner AND s.source_person_id = l.source_person_id
        );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.person_link', gone;
    -- Ids that were merged resolve to one that lives on; a group of ids goes as a whole, when none of it has a link, nor had
    -- one of a source person that is still known.
    WITH RECURSIVE resolved AS (
        SELECT p.person_id, p.person_id AS root FROM identity.person AS p WHERE p.merged_into IS NULL
        UNION ALL
        SELECT p.person_id, r.root
        FROM identity.person AS p
        INNER JOIN resolved AS r ON p.merged_into = r.person_id
    ),
    alive AS (
        SELECT r.root FROM resolved AS r INNER JOIN identity.person_link AS l USING (person_id)
        UNION
        SELECT r.root FROM resolved AS r INNER JOIN identity.membership AS m USING (person_id)
    )
    DELETE FROM identity.person AS p
    USING resolved AS r
    WHERE p.person_id = r.person_id AND NOT EXISTS (SELECT FROM alive AS a WHERE a.root = r.root);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.person', gone;
    DROP TABLE pg_temp.known_source_person;
END
$$;

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT, INSERT ON identity.trained_model, identity.term_frequency, identity.training_adoption TO kb_linkage;
-- Emptied and filled again by a run that links everything anew.
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, MAINTAIN ON
identity.prepared, identity.blocking_key, identity.crowded_key, identity.pair, identity.verdict_applied
TO kb_linkage;
GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON identity.edge, identity.membership TO kb_linkage;
GRANT MAINTAIN ON identity.pair_decision, identity.change_undone, identity.term_frequency TO kb_linkage;
GRANT SELECT ON identity.change_undone TO kb_linkage;

-- A steward sees who belongs to whom and why, in ids, labels and weights, and no prepared value.
GRANT SELECT ON
identity.run, identity.person, identity.person_change, identity.membership, identity.edge, identity.pair,
identity.verdict_applied, identity.change_undone, identity.trained_model
TO kb_steward;
GRANT SELECT (record, source, source_person_id) ON identity.prepared TO kb_steward;
GRANT INSERT ON identity.change_undone TO kb_steward;
