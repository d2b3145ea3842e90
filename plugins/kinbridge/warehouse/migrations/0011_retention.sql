-- What is due for destruction, what was destroyed and how that was proven, backups and their keys, and incidents. Run by
-- the owner. No role but the owner may delete rows of the record: it goes through retention.destroy, which asks for the
-- approval and for holds itself.

CREATE SCHEMA retention;

------------------------------------------------------------------------------------------------------------ ledger

-- Grain: one row per hold by which nothing of a feed may be destroyed; it lasts until somebody lifts it.
CREATE TABLE ledger.legal_hold (
    hold_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_legal_hold PRIMARY KEY,
    feed text NOT NULL,
    reason text NOT NULL,
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lifted_by text,
    lifted_at timestamptz,
    CONSTRAINT ck_legal_hold_reason CHECK (btrim(reason) <> ''),
    CONSTRAINT ck_legal_hold_lifted CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
);
CREATE UNIQUE INDEX uq_legal_hold_standing ON ledger.legal_hold (feed) WHERE lifted_at IS NULL;

-- Grain: one row per request to destroy what a partner sent of one person, by a parent (34 CFR 303.416), a court or the
-- partner. Who the person is stands in retention.requested_person until it is done.
CREATE TABLE ledger.destruction_request (
    request_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_destruction_request PRIMARY KEY,
    partner text NOT NULL,
    ground text NOT NULL,
    reason text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_destruction_request_ground CHECK (ground IN ('parent', 'court', 'partner')),
    CONSTRAINT ck_destruction_request_reason CHECK (btrim(reason) <> '')
);

-- Grain: one row per batch that was found due and proposed for destruction: of one feed, or for one request. `due_since` is
-- the first day on which it was due, `deadline` the last on which it may still be there.
CREATE TABLE ledger.destruction (
    destruction_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_destruction PRIMARY KEY,
    cause text NOT NULL,
    partner text NOT NULL,
    feed text,
    request_id bigint CONSTRAINT fk_destruction_request REFERENCES ledger.destruction_request,
    due_since date NOT NULL,
    deadline date NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_destruction_cause CHECK (cause IN ('retention', 'agreement ended', 'request')),
    CONSTRAINT ck_destruction_subject CHECK ((cause = 'request') = (request_id IS NOT NULL) AND (cause = 'request') = (feed IS NULL)),
    CONSTRAINT ck_destruction_feed CHECK (feed LIKE partner || '/%')
);

-- Grain: one row per kind of thing in a batch. Of that kind, what was last said or kept before `cutoff` is due, by `clause`.
CREATE TABLE ledger.destruction_item (
    destruction_id bigint NOT NULL CONSTRAINT fk_destruction_item REFERENCES ledger.destruction,
    kind text NOT NULL,
    cutoff timestamptz NOT NULL,
    clause text NOT NULL,
    things bigint NOT NULL,
    oldest date,
    CONSTRAINT pk_destruction_item PRIMARY KEY (destruction_id, kind),
    CONSTRAINT ck_destruction_item_kind CHECK (
        kind IN ('file', 'staged', 'quarantine', 'record', 'identity', 'release', 'receipt', 'backup')
    )
);

-- Grain: one row per batch that a person decided on. A rejected one may be proposed again from `not_before` on.
CREATE TABLE ledger.destruction_decision (
    destruction_id bigint CONSTRAINT pk_destruction_decision PRIMARY KEY
    CONSTRAINT fk_destruction_decision REFERENCES ledger.destruction,
    outcome text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    reason text,
    not_before date,
    CONSTRAINT ck_destruction_decision_outcome CHECK (outcome IN ('approved', 'rejected')),
    CONSTRAINT ck_destruction_decision_rejected CHECK (
        outcome = 'approved' OR (btrim(reason) <> '' AND not_before IS NOT NULL)
    )
);

-- Grain: one row per step of carrying out a batch, written in the transaction that does the step.
CREATE TABLE ledger.destruction_step (
    destruction_id bigint NOT NULL CONSTRAINT fk_destruction_step REFERENCES ledger.destruction,
    step text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    counts jsonb NOT NULL,
    CONSTRAINT pk_destruction_step PRIMARY KEY (destruction_id, step)
);

-- Grain: one row per batch that is destroyed and proven to be: `proof` says what was searched and that nothing was found,
-- `remains` what is left and why.
CREATE TABLE ledger.certificate (
    destruction_id bigint CONSTRAINT pk_certificate PRIMARY KEY
    CONSTRAINT fk_certificate_destruction REFERENCES ledger.destruction,
    issued_at timestamptz NOT NULL,
    carried_out_by text NOT NULL,
    proof jsonb NOT NULL,
    remains jsonb NOT NULL,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    CONSTRAINT ck_certificate_proof CHECK ((proof ->> 'hits')::bigint = 0)
);

-- Grain: one row per backup that is whole.
CREATE TABLE ledger.backup (
    backup_id text CONSTRAINT pk_backup PRIMARY KEY,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    place text NOT NULL,
    parts bigint NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL
);

-- Grain: one row per key of a backup's part that was destroyed; what it had encrypted can be read by nobody any more.
CREATE TABLE ledger.backup_key_destroyed (
    backup_id text NOT NULL,
    part text NOT NULL,
    destruction_id bigint CONSTRAINT fk_backup_key_destroyed REFERENCES ledger.destruction,
    reason text NOT NULL,
    destroyed_by text NOT NULL,
    destroyed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_backup_key_destroyed PRIMARY KEY (backup_id, part)
);

-- Grain: one row per breach, or drill of one. `affected` holds counts by partner, feed and program, and names of elements.
CREATE TABLE ledger.incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_incident PRIMARY KEY,
    what text NOT NULL,
    drill boolean NOT NULL,
    discovered_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text NOT NULL,
    persons bigint NOT NULL,
    affected jsonb NOT NULL
);

-- Grain: one row per notice that an incident asks for: to whom, under which clause, until when.
CREATE TABLE ledger.incident_notice (
    notice_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_incident_notice PRIMARY KEY,
    incident_id bigint NOT NULL CONSTRAINT fk_incident_notice REFERENCES ledger.incident,
    addressee text NOT NULL,
    clause text NOT NULL,
    due_at timestamptz NOT NULL,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    CONSTRAINT uq_incident_notice UNIQUE (incident_id, addressee)
);

-- Grain: one row per step of an incident or of one of its notices, in order. Never updated.
CREATE TABLE ledger.incident_step (
    step_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_incident_step PRIMARY KEY,
    incident_id bigint NOT NULL CONSTRAINT fk_incident_step REFERENCES ledger.incident,
    notice_id bigint CONSTRAINT fk_incident_step_notice REFERENCES ledger.incident_notice,
    what text NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text NOT NULL DEFAULT '',
    CONSTRAINT ck_incident_step_what CHECK (what IN ('opened', 'drafted', 'sent', 'acknowledged', 'closed'))
);
CREATE INDEX ix_incident_step ON ledger.incident_step (incident_id);

--------------------------------------------------------------------------------------------------------- retention

-- Grain: one row per request that is not done: whom it is about, by the partner's own id. Gone when it is done.
CREATE TABLE retention.requested_person (
    request_id bigint CONSTRAINT pk_requested_person PRIMARY KEY
    CONSTRAINT fk_requested_person REFERENCES ledger.destruction_request,
    partner text NOT NULL,
    source_person_id text NOT NULL
);

-- Which rows of a table of the record (or of the quarantine) a batch is about, as a condition over the table `t`. Raises
-- where a table has no columns by which that could be told: a new table must not be forgotten.
-- Statements on consent outlive the rest: a refusal that reaches another partner's records of the person holds for them.
CREATE FUNCTION retention.scope(
    relation regclass, cause text, feed text, partner text, person text, cutoff timestamptz
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    has text[] := ARRAY(
        SELECT attname::text FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
    );
    last_day text := format('%L::date', (cutoff AT TIME ZONE 'UTC')::date);
    own text := CASE
        WHEN 'feed' = ANY(has) THEN format('t.feed = %L', feed)
        WHEN 'delivery_id' = ANY(has)
            THEN format('t.delivery_id IN (SELECT d.delivery_id FROM ledger.delivery AS d WHERE d.feed = %L)', feed)
    END;
    about text;
BEGIN
    IF cause = 'request' THEN
        about := concat_ws(
            ' OR ',
            CASE WHEN 'source_person_id' = ANY(has) THEN format('t.source_person_id = %L', person) END,
            CASE WHEN 'related_source_person_id' = ANY(has) THEN format('t.related_source_person_id = %L', person) END,
            CASE WHEN 'became' = ANY(has) THEN format('t.became = %L', person) END,
            CASE WHEN 'key_values' = ANY(has) THEN format('%L = ANY(t.key_values)', person) END,
            CASE WHEN 'content' = ANY(has)
                THEN format('EXISTS (SELECT FROM jsonb_each_text(t.content) AS said WHERE btrim(said.value) = %L)', person)
            END
        );
        IF about = '' THEN
            RAISE EXCEPTION 'the table % tells no person', relation;
        END IF;
        RETURN format(
            '(%s) AND %s', about,
            CASE
                WHEN 'partner' = ANY(has) THEN format('t.partner = %L', partner)
                WHEN 'feed' = ANY(has) THEN format('split_part(t.feed, ''/'', 1) = %L', partner)
                ELSE format(
                    't.delivery_id IN (SELECT d.delivery_id FROM ledger.delivery AS d WHERE d.partner = %L)', partner
                )
            END
        );
    END IF;
    IF own IS NULL THEN
        RAISE EXCEPTION 'the table % tells no feed', relation;
    END IF;
    IF cause = 'retention' THEN
        own := own || ' AND ' || CASE
            WHEN 'quarantined_at' = ANY(has) THEN format('t.quarantined_at < %L::timestamptz', cutoff)
            WHEN 'known_to' = ANY(has)
                THEN format('coalesce(t.known_to, t.as_of::timestamp AT TIME ZONE ''UTC'') < %L::timestamptz', cutoff)
            WHEN 'as_of' = ANY(has) THEN 't.as_of < ' || last_day
            ELSE 't.delivery_id IN (SELECT d.delivery_id FROM ledger.delivery AS d WHERE d.as_of < ' || last_day || ')'
        END;
    END IF;
    IF relation = 'record.consent'::regclass THEN
        own := own
            || ' AND NOT EXISTS (SELECT FROM identity.person_link AS l'
            || ' INNER JOIN identity.person_link AS other USING (person_id)'
            || ' WHERE l.partner = t.partner AND l.source_person_id = t.source_person_id'
            || ' AND other.partner <> t.partner)'
            || ' AND NOT EXISTS (SELECT FROM record.person AS p'
            || ' WHERE p.partner = t.partner AND p.source_person_id = t.source_person_id'
            || CASE WHEN cause = 'retention' THEN ')' ELSE ' AND p.feed <> t.feed)' END;
    END IF;
    RETURN own;
END
$$;

-- The tables of people's data that a partner sent, in which a batch may have rows: all of the record, and the quarantine.
CREATE FUNCTION retention.relations(kind text) RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = kind
    ORDER BY c.relname = 'consent', c.relname
$$;

-- A batch that may be destroyed now: approved by a person, held by nobody. Anything else is an error.
CREATE FUNCTION retention.approved(asked bigint) RETURNS ledger.destruction
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch ledger.destruction;
BEGIN
    SELECT d.* INTO batch
    FROM ledger.destruction AS d
    INNER JOIN ledger.destruction_decision AS decision USING (destruction_id)
    WHERE d.destruction_id = asked AND decision.outcome = 'approved';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the batch % is not approved', asked;
    END IF;
    -- A hold that is placed meanwhile waits, and one that was placed counts.
    LOCK TABLE ledger.legal_hold IN SHARE MODE;
    IF EXISTS (
        SELECT
        FROM ledger.legal_hold AS hold
        WHERE hold.lifted_at IS NULL
            AND (hold.feed = batch.feed OR (batch.feed IS NULL AND split_part(hold.feed, '/', 1) = batch.partner))
    ) THEN
        RAISE EXCEPTION 'the batch % is held', asked;
    END IF;
    RETURN batch;
END
$$;

-- Destroys one kind of a batch: 'record', 'quarantine' or 'identity'. How many rows of which table. Doing it again destroys
-- what came to be due by the same cutoff meanwhile, mostly nothing.
CREATE FUNCTION retention.destroy(asked bigint, asked_kind text) RETURNS TABLE (relation text, rows bigint)
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
    DELETE FROM identity.edge AS e
    WHERE e.partner_left = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = e.source_person_id_left)
        OR e.partner_right = batch.partner
        AND NOT EXISTS (SELECT FROM pg_temp.known_source_person AS k WHERE k.source_person_id = e.source_person_id_right);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.edge', gone;
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
    -- Ids that were merged resolve to one that lives on; a group of ids goes as a whole, when none of it has a link.
    WITH RECURSIVE resolved AS (
        SELECT p.person_id, p.person_id AS root FROM identity.person AS p WHERE p.merged_into IS NULL
        UNION ALL
        SELECT p.person_id, r.root
        FROM identity.person AS p
        INNER JOIN resolved AS r ON p.merged_into = r.person_id
    ),
    alive AS (
        SELECT DISTINCT r.root FROM resolved AS r INNER JOIN identity.person_link AS l USING (person_id)
    )
    DELETE FROM identity.person AS p
    USING resolved AS r
    WHERE p.person_id = r.person_id AND NOT EXISTS (SELECT FROM alive AS a WHERE a.root = r.root);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN QUERY SELECT 'identity.person', gone;
    DROP TABLE pg_temp.known_source_person;
END
$$;

-- Values that stand in the rows of an approved batch and in no other row of the record or quarantine, chosen by chance: what
-- a search must not find afterwards. Only values that are long enough to be somebody's.
CREATE FUNCTION retention.probes(asked bigint, most integer) RETURNS SETOF text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch ledger.destruction := retention.approved(asked);
    target record;
    inside text;
BEGIN
    CREATE TEMPORARY TABLE candidate (said text) ON COMMIT DROP;
    FOR target IN
        SELECT r.relation, item.cutoff
        FROM ledger.destruction_item AS item
        CROSS JOIN LATERAL retention.relations(item.kind) AS r (relation)
        WHERE item.destruction_id = asked AND item.kind IN ('record', 'quarantine')
    LOOP
        inside := retention.scope(
            target.relation, batch.cause, batch.feed, batch.partner,
            (SELECT p.source_person_id FROM retention.requested_person AS p WHERE p.request_id = batch.request_id),
            target.cutoff
        );
        EXECUTE format(
            $sample$
            INSERT INTO pg_temp.candidate
            SELECT DISTINCT lower(btrim(said.value))
            FROM (SELECT * FROM %s AS t WHERE %s ORDER BY random() LIMIT %s) AS t
            CROSS JOIN LATERAL (
                SELECT field.value
                FROM jsonb_each_text(to_jsonb(t)) AS field
                WHERE field.key NOT IN (
                    'content', 'feed', 'partner', 'rules', 'key_values', 'column_names', 'program', 'use_case', 'form',
                    'known_from', 'known_to', 'as_of', 'row_hash', 'delivery_id', 'line_no', 'contract_version',
                    'quarantined_at', 'resolved_at', 'source_table', 'target'
                )
                UNION ALL
                SELECT inner_field.value FROM jsonb_each_text(to_jsonb(t) -> 'content') AS inner_field
                WHERE jsonb_typeof(to_jsonb(t) -> 'content') = 'object'
            ) AS said (value)
            WHERE btrim(said.value) ~ '^[[:alnum:]._@/-][[:alnum:]._@/ -]{4,118}[[:alnum:]._@/-]$'
                AND btrim(said.value) !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}( .*)?$'
            $sample$,
            target.relation, inside, most
        );
    END LOOP;
    -- Numbers and ids are rarely another's too; some names among them. Each of them is looked for in every row below.
    DELETE FROM pg_temp.candidate AS c
    USING (
        SELECT
            chosen.said,
            row_number() OVER (PARTITION BY chosen.said ~ '[0-9]{3}' ORDER BY random()) AS place
        FROM (SELECT DISTINCT said FROM pg_temp.candidate) AS chosen
    ) AS drawn
    WHERE drawn.said = c.said AND drawn.place > most;
    -- What another row says too is not lost by this destruction, and proves nothing.
    FOR target IN
        SELECT r.relation, item.cutoff
        FROM unnest(ARRAY['record', 'quarantine']) AS wanted (kind)
        CROSS JOIN LATERAL retention.relations(wanted.kind) AS r (relation)
        LEFT JOIN ledger.destruction_item AS item ON item.destruction_id = asked AND item.kind = wanted.kind
    LOOP
        inside := coalesce(
            CASE WHEN target.cutoff IS NULL THEN 'FALSE' ELSE retention.scope(
                target.relation, batch.cause, batch.feed, batch.partner,
                (SELECT p.source_person_id FROM retention.requested_person AS p WHERE p.request_id = batch.request_id),
                target.cutoff
            ) END,
            'FALSE'
        );
        EXECUTE format(
            $others$
            DELETE FROM pg_temp.candidate AS c
            USING (SELECT lower(t::text) AS line FROM %s AS t WHERE NOT (%s) OFFSET 0) AS other
            WHERE strpos(other.line, c.said) > 0
            $others$,
            target.relation, inside
        );
    END LOOP;
    -- So is what has to stay: the accounting of disclosures, and refusals of consent.
    DELETE FROM pg_temp.candidate AS c
    USING (
        SELECT lower(s.source_person_id) AS said FROM release.member_source AS s
        UNION
        SELECT lower(s.source_person_id) FROM identity.consent_statement AS s
    ) AS other
    WHERE other.said = c.said;
    RETURN QUERY SELECT c.said FROM (SELECT DISTINCT said FROM pg_temp.candidate) AS c ORDER BY random() LIMIT most;
    DROP TABLE pg_temp.candidate;
END
$$;

-- In how many rows of each table any of these texts stands, in whatever column, and how many columns and rows were read.
-- Every table of every schema, but those of `landing`, which belong to the pipeline. It gives counts only.
CREATE FUNCTION retention.search(probes text[]) RETURNS TABLE (relation text, columns bigint, rows bigint, hits bigint)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
    patterns text[] := ARRAY(
        SELECT '%' || replace(replace(replace(lower(p), '\', '\\'), '%', '\%'), '_', '\_') || '%'
        FROM unnest(probes) AS p
    );
BEGIN
    FOR target IN
        SELECT c.oid::regclass AS name, count(a.attnum) AS columns
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'm')
            AND n.nspname !~ '^pg_'
            AND n.nspname NOT IN ('information_schema', 'landing')
        GROUP BY c.oid
        ORDER BY 1
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L, %s::bigint, count(*), count(*) FILTER (WHERE lower(t::text) LIKE ANY($1)) FROM %s AS t',
            target.name, target.columns, target.name
        ) USING patterns;
    END LOOP;
END
$$;

------------------------------------------------------------------------------------------------------------ grants

GRANT USAGE ON SCHEMA retention TO kb_pipeline, kb_steward;
GRANT EXECUTE ON FUNCTION retention.destroy (bigint, text) TO kb_pipeline;
GRANT EXECUTE ON FUNCTION retention.probes (bigint, integer) TO kb_pipeline;
GRANT EXECUTE ON FUNCTION retention.search (text []) TO kb_pipeline;
GRANT SELECT, INSERT, DELETE ON retention.requested_person TO kb_pipeline;
GRANT INSERT ON retention.requested_person TO kb_steward;
GRANT SELECT, INSERT ON
ledger.legal_hold, ledger.destruction_request, ledger.destruction, ledger.destruction_item, ledger.destruction_decision,
ledger.destruction_step, ledger.certificate, ledger.backup, ledger.backup_key_destroyed, ledger.incident,
ledger.incident_notice, ledger.incident_step
TO kb_pipeline;
GRANT SELECT ON
ledger.legal_hold, ledger.destruction_request, ledger.destruction, ledger.destruction_item, ledger.destruction_decision,
ledger.destruction_step, ledger.certificate, ledger.backup, ledger.backup_key_destroyed, ledger.incident,
ledger.incident_notice, ledger.incident_step
TO kb_steward;
GRANT INSERT ON
ledger.legal_hold, ledger.destruction_request, ledger.destruction_decision, ledger.incident_step
TO kb_steward;
GRANT UPDATE (lifted_by, lifted_at) ON ledger.legal_hold TO kb_steward;
-- Deleted rows lie in the files of the tables until these are written anew (VACUUM FULL).
GRANT MAINTAIN ON ALL TABLES IN SCHEMA record TO kb_pipeline;
GRANT MAINTAIN ON ALL TABLES IN SCHEMA quarantine TO kb_pipeline;
GRANT MAINTAIN ON retention.requested_person TO kb_pipeline;
GRANT MAINTAIN ON identity.consent_statement, identity.edge, identity.person, identity.person_link TO kb_linkage;
-- What remains is said with the certificate: releases in which a feed's data are.
GRANT SELECT ON ledger.disclosure, ledger.recall TO kb_pipeline;
