-- Consent of persons, in effective and in known time, and who is withheld from which use case. Run by the owner.
-- Two times: a statement is in effect on the days from effective_from to effective_to, both within it; we know it from
-- known_from until something we learned later took its place. Who is withheld is asked for a day, as known at a moment.

------------------------------------------------------------------------------------------------------------ record

-- Grain: one row per statement on consent that a partner keeps about one of its own persons. Without a use case it is about
-- all, without a program about all. A limit excepts what it names from what was granted.
CREATE TABLE record.consent (
    source_consent_id text NOT NULL,
    source_person_id text NOT NULL,
    decision text NOT NULL,
    use_case text,
    program text,
    form text,
    effective_from date NOT NULL,
    effective_to date,
    signed_on date,
    -- A decision in other words would count for nothing: a delivery with one must not load.
    CONSTRAINT ck_consent_decision CHECK (decision IN ('granted', 'limited', 'revoked'))
);
-- The same provenance and indexes as of every record table; 0001_warehouse.sql says why.
ALTER TABLE record.consent
ADD COLUMN partner text NOT NULL,
ADD COLUMN feed text NOT NULL,
ADD COLUMN delivery_id bigint NOT NULL,
ADD COLUMN line_no bigint NOT NULL,
ADD COLUMN contract_version text NOT NULL,
ADD COLUMN as_of date NOT NULL,
ADD COLUMN row_hash bigint NOT NULL,
ADD COLUMN known_from timestamptz NOT NULL,
ADD COLUMN known_to timestamptz;
CREATE UNIQUE INDEX uq_consent_current ON record.consent (source_consent_id, feed) WHERE known_to IS NULL;
CREATE INDEX ix_consent_delivery ON record.consent USING brin (delivery_id);
CREATE INDEX ix_consent_person ON record.consent (partner, source_person_id);

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per statement that a steward recorded about a partner's person. Never changed: a statement that was
-- recorded wrongly is superseded by another, and stays.
CREATE TABLE identity.consent_statement (
    statement_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_consent_statement PRIMARY KEY,
    partner text NOT NULL,
    source_person_id text NOT NULL,
    decision text NOT NULL,
    use_case text,
    program text,
    form text,
    effective_from date NOT NULL,
    effective_to date,
    signed_on date,
    evidence text NOT NULL,
    supersedes bigint
    CONSTRAINT fk_consent_statement_supersedes REFERENCES identity.consent_statement
    CONSTRAINT uq_consent_statement_supersedes UNIQUE,
    recorded_by text NOT NULL,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_consent_statement_decision CHECK (decision IN ('granted', 'limited', 'revoked')),
    CONSTRAINT ck_consent_statement_form CHECK (decision <> 'granted' OR form IS NOT NULL),
    CONSTRAINT ck_consent_statement_days CHECK (effective_from <= effective_to),
    CONSTRAINT ck_consent_statement_evidence CHECK (btrim(evidence) <> '')
);
CREATE INDEX ix_consent_statement_person ON identity.consent_statement (partner, source_person_id);

-- What is declared of consent, written anew from the declarations whenever people are linked. The functions below decide by
-- these rows; what held when stands in the events.

-- Grain: one row per use case, feed that may serve it, and program that the feed speaks of (none: it names no program, and
-- what it says is about all). `form` is the form that alone counts, where the agreement names one.
CREATE TABLE identity.consent_rule (
    use_case text NOT NULL,
    feed text NOT NULL,
    program text,
    rule text NOT NULL,
    form text,
    clause text NOT NULL,
    CONSTRAINT uq_consent_rule UNIQUE NULLS NOT DISTINCT (use_case, feed, program),
    CONSTRAINT ck_consent_rule_rule CHECK (rule IN ('not_required', 'opt_out', 'attested', 'opt_in', 'written'))
);

-- Grain: one row per form (`id/version`) and what it covers; an empty use case or program is all of them. A signed form lasts
-- `valid_months` months; without a number it lasts until it is revoked.
CREATE TABLE identity.consent_form (
    form text NOT NULL,
    use_case text,
    program text,
    valid_months integer,
    CONSTRAINT uq_consent_form UNIQUE NULLS NOT DISTINCT (form, use_case, program),
    CONSTRAINT ck_consent_form_valid CHECK (valid_months > 0)
);

-- Grain: one row per use case and per program that is declared at all. A refusal that names another is taken to be about all.
CREATE TABLE identity.consent_scope (
    kind text NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_consent_scope PRIMARY KEY (kind, name),
    CONSTRAINT ck_consent_scope_kind CHECK (kind IN ('use_case', 'program'))
);

-- Under which gates `integrated` was built: publishing takes its rows only for outputs with the very same gates.

-- Grain: one row per feed whose records went in.
CREATE TABLE identity.integrated_feed (
    feed text CONSTRAINT pk_integrated_feed PRIMARY KEY
);

-- Grain: one row per person and program (none: all) that was left out.
CREATE TABLE identity.integrated_withheld (
    person_id uuid NOT NULL,
    program text,
    CONSTRAINT uq_integrated_withheld UNIQUE NULLS NOT DISTINCT (person_id, program)
);

-- The statements that are in effect on the day, as known at the moment, of partners and stewards alike.
CREATE FUNCTION identity.consent_said(asked_day date, asked_known timestamptz)
RETURNS TABLE (
    partner text,
    source_person_id text,
    decision text,
    use_case text,
    program text,
    form text,
    effective_from date,
    effective_to date,
    signed_on date,
    statement_id bigint
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        consent.partner,
        consent.source_person_id,
        consent.decision,
        consent.use_case,
        consent.program,
        consent.form,
        consent.effective_from,
        consent.effective_to,
        consent.signed_on,
        NULL::bigint
    FROM record.consent
    WHERE consent.effective_from <= asked_day
        AND (consent.effective_to IS NULL OR consent.effective_to >= asked_day)
        AND consent.known_from <= asked_known
        AND (consent.known_to IS NULL OR consent.known_to > asked_known)
    UNION ALL
    SELECT
        statement.partner,
        statement.source_person_id,
        statement.decision,
        statement.use_case,
        statement.program,
        statement.form,
        statement.effective_from,
        statement.effective_to,
        statement.signed_on,
        statement.statement_id
    FROM identity.consent_statement AS statement
    WHERE statement.effective_from <= asked_day
        AND (statement.effective_to IS NULL OR statement.effective_to >= asked_day)
        AND statement.known_from <= asked_known
        AND NOT EXISTS (
            SELECT
            FROM identity.consent_statement AS later
            WHERE later.supersedes = statement.statement_id
                AND later.known_from <= asked_known
        )
$$;

-- Who is withheld from a use case, by person, and by record where no person is known yet (`with_unlinked`). `subject` is the
-- person's id, or partner and id of the record. Within, the empty program stands for all of them, so that rows meet by
-- equality; nested loops are off, since nobody can tell the planner how many people have said something.
-- A record's last refusal (revoked, limited) stands until a grant of the same record begins on a later day; of one day the
-- refusal counts. A grant counts when its form covers use case and program and is still valid. What any of a person's
-- records refuses holds for the person. Under not_required nobody is withheld; under opt_out and attested who refused; under
-- opt_in and written also who has not granted. A use case without rules is open to nobody.
CREATE FUNCTION identity.withheld_subject(
    asked_use_case text,
    asked_day date,
    asked_known timestamptz,
    with_unlinked boolean
)
RETURNS TABLE (subject text, person_id uuid, program text, rule text, clause text)
LANGUAGE sql STABLE
SET enable_nestloop = off
AS $$
    WITH demand AS (
        SELECT DISTINCT
            SPLIT_PART(consent_rule.feed, '/', 1) AS partner,
            COALESCE(consent_rule.program, '') AS program,
            consent_rule.rule,
            consent_rule.form,
            consent_rule.clause
        FROM identity.consent_rule
        WHERE consent_rule.use_case = asked_use_case
            AND consent_rule.rule <> 'not_required'
    ),

    demanded AS (
        SELECT DISTINCT demand.program
        FROM demand
    ),

    source_person AS (
        SELECT
            link.partner,
            link.source_person_id,
            link.person_id,
            link.person_id::text AS subject
        FROM identity.person_link AS link
        UNION ALL
        SELECT DISTINCT
            person.partner,
            person.source_person_id,
            NULL::uuid,
            person.partner || '/' || person.source_person_id
        FROM record.person
        WHERE with_unlinked
            AND person.known_to IS NULL
            AND NOT EXISTS (
                SELECT
                FROM identity.person_link AS link
                WHERE link.partner = person.partner
                    AND link.source_person_id = person.source_person_id
            )
    ),

    statement AS (
        SELECT
            source_person.subject,
            source_person.person_id,
            said.partner,
            said.source_person_id,
            said.decision <> 'granted' AS refuses,
            said.use_case,
            said.program,
            said.form,
            said.effective_from,
            COALESCE(said.signed_on, said.effective_from) AS signed_on,
            said.use_case IS NOT NULL AND known_use_case.name IS NULL AS of_unknown_use_case,
            said.program IS NOT NULL AND known_program.name IS NULL AS of_unknown_program
        FROM identity.consent_said(asked_day, asked_known) AS said
        INNER JOIN source_person USING (partner, source_person_id)
        LEFT JOIN identity.consent_scope AS known_use_case
            ON known_use_case.kind = 'use_case'
            AND known_use_case.name = said.use_case
        LEFT JOIN identity.consent_scope AS known_program
            ON known_program.kind = 'program'
            AND known_program.name = said.program
    ),

    covered AS (
        SELECT DISTINCT
            consent_form.form,
            demanded.program,
            consent_form.valid_months
        FROM identity.consent_form
        INNER JOIN demanded ON consent_form.program IS NULL OR consent_form.program = demanded.program
        WHERE consent_form.use_case IS NULL OR consent_form.use_case = asked_use_case
    ),

    said AS (
        SELECT
            statement.subject,
            statement.person_id,
            statement.partner,
            statement.source_person_id,
            demanded.program,
            TRUE AS refuses,
            NULL AS form,
            statement.effective_from
        FROM statement
        INNER JOIN demanded
            ON statement.program IS NULL
            OR statement.of_unknown_program
            OR demanded.program IN ('', statement.program)
        WHERE statement.refuses
            AND (statement.use_case IS NULL OR statement.use_case = asked_use_case OR statement.of_unknown_use_case)
        UNION ALL
        SELECT
            statement.subject,
            statement.person_id,
            statement.partner,
            statement.source_person_id,
            covered.program,
            FALSE AS refuses,
            SPLIT_PART(statement.form, '/', 1) AS form,
            statement.effective_from
        FROM statement
        INNER JOIN covered
            ON covered.form = statement.form
            AND (statement.program IS NULL OR statement.program = covered.program)
        WHERE NOT statement.refuses
            AND (statement.use_case IS NULL OR statement.use_case = asked_use_case)
            AND (
                covered.valid_months IS NULL
                OR statement.signed_on + MAKE_INTERVAL(months => covered.valid_months) > asked_day
            )
    ),

    last_word AS (
        SELECT
            said.subject,
            said.person_id,
            said.partner,
            said.source_person_id,
            said.program,
            MAX(said.effective_from) FILTER (WHERE said.refuses) AS refused,
            MAX(said.effective_from) FILTER (WHERE NOT said.refuses) AS granted
        FROM said
        GROUP BY
            said.subject,
            said.person_id,
            said.partner,
            said.source_person_id,
            said.program
    ),

    granted AS (
        SELECT DISTINCT
            said.subject,
            said.program,
            said.form
        FROM said
        INNER JOIN last_word USING (partner, source_person_id, program)
        WHERE NOT said.refuses
            AND (last_word.refused IS NULL OR said.effective_from > last_word.refused)
    ),

    withheld AS (
        SELECT
            last_word.subject,
            last_word.person_id,
            demand.program,
            demand.rule,
            demand.clause
        FROM last_word
        INNER JOIN demand USING (program)
        WHERE last_word.refused IS NOT NULL
            AND (last_word.granted IS NULL OR last_word.granted <= last_word.refused)
        UNION
        SELECT
            source_person.subject,
            source_person.person_id,
            demand.program,
            demand.rule,
            demand.clause
        FROM demand
        INNER JOIN source_person USING (partner)
        WHERE demand.rule IN ('opt_in', 'written')
            AND NOT EXISTS (
                SELECT
                FROM granted
                WHERE granted.subject = source_person.subject
                    AND granted.program = demand.program
                    AND (demand.form IS NULL OR granted.form = demand.form)
            )
        UNION
        SELECT
            source_person.subject,
            source_person.person_id,
            '' AS program,
            'written' AS rule,
            'no consent rule is on record for ' || asked_use_case AS clause
        FROM source_person
        WHERE NOT EXISTS (
            SELECT
            FROM identity.consent_rule
            WHERE consent_rule.use_case = asked_use_case
        )
    )

    SELECT
        withheld.subject,
        withheld.person_id,
        NULLIF(withheld.program, ''),
        withheld.rule,
        withheld.clause
    FROM withheld
$$;

-- Grain: one row per person and program that must not serve the use case; none as the program: nothing of the person may.
-- That is so where every program is withheld of which a partner that knows the person speaks. Of several clauses, one of the
-- strictest is named.
CREATE FUNCTION identity.withheld_person(use_case text, day date, known timestamptz)
RETURNS TABLE (person_id uuid, program text, clause text)
LANGUAGE sql STABLE
SET enable_nestloop = off
AS $$
    WITH withheld AS (
        SELECT DISTINCT ON (subject.person_id, subject.program)
            subject.person_id,
            subject.program,
            subject.clause
        FROM identity.withheld_subject(use_case, day, known, FALSE) AS subject
        ORDER BY
            subject.person_id,
            subject.program,
            ARRAY_POSITION(ARRAY['written', 'opt_in', 'attested', 'opt_out'], subject.rule),
            subject.clause
    ),

    spoken_of AS (
        SELECT DISTINCT
            link.person_id,
            rule.program
        FROM (SELECT DISTINCT withheld.person_id FROM withheld) AS person
        INNER JOIN identity.person_link AS link USING (person_id)
        INNER JOIN identity.consent_rule AS rule
            ON rule.use_case = withheld_person.use_case
            AND SPLIT_PART(rule.feed, '/', 1) = link.partner
    ),

    wholly AS (
        SELECT spoken_of.person_id
        FROM spoken_of
        LEFT JOIN withheld
            ON withheld.person_id = spoken_of.person_id
            AND (withheld.program IS NULL OR withheld.program = spoken_of.program)
        GROUP BY spoken_of.person_id
        HAVING BOOL_AND(withheld.person_id IS NOT NULL)
        UNION
        SELECT withheld.person_id
        FROM withheld
        WHERE withheld.program IS NULL
    )

    SELECT DISTINCT ON (withheld.person_id, withheld.program)
        withheld.person_id,
        withheld.program,
        withheld.clause
    FROM withheld
    WHERE NOT EXISTS (SELECT FROM wholly WHERE wholly.person_id = withheld.person_id)
    UNION ALL
    SELECT DISTINCT ON (withheld.person_id)
        withheld.person_id,
        NULL AS program,
        withheld.clause
    FROM withheld
    INNER JOIN wholly USING (person_id)
    ORDER BY
        person_id,
        clause
$$;

-- Grain: one row per partner's person that no use case may use: its record is not compared with others. Known persons count
-- by all their records, new ones by their own.
CREATE FUNCTION identity.withheld_record(day date, known timestamptz)
RETURNS TABLE (partner text, source_person_id text)
LANGUAGE sql STABLE
SET enable_nestloop = off
AS $$
    WITH withheld AS (
        SELECT
            named.use_case,
            subject.subject,
            subject.program
        FROM (SELECT DISTINCT consent_rule.use_case FROM identity.consent_rule) AS named
        CROSS JOIN LATERAL identity.withheld_subject(named.use_case, day, known, TRUE) AS subject
    ),

    touched AS (
        SELECT DISTINCT withheld.subject
        FROM withheld
    ),

    source_person AS (
        SELECT
            link.partner,
            link.source_person_id,
            touched.subject
        FROM touched
        INNER JOIN identity.person_link AS link ON link.person_id::text = touched.subject
        UNION ALL
        SELECT
            SPLIT_PART(touched.subject, '/', 1) AS partner,
            SUBSTR(touched.subject, STRPOS(touched.subject, '/') + 1) AS source_person_id,
            touched.subject
        FROM touched
        WHERE STRPOS(touched.subject, '/') > 0
    ),

    -- What the partner's feeds may be used for: so many things have to be withheld.
    use AS (
        SELECT DISTINCT
            SPLIT_PART(consent_rule.feed, '/', 1) AS partner,
            consent_rule.use_case,
            COALESCE(consent_rule.program, '') AS program
        FROM identity.consent_rule
    ),

    used AS (
        SELECT
            use.partner,
            COUNT(*) AS uses
        FROM use
        GROUP BY use.partner
    )

    SELECT
        source_person.partner,
        source_person.source_person_id
    FROM source_person
    INNER JOIN use USING (partner)
    INNER JOIN used USING (partner)
    INNER JOIN withheld
        ON withheld.subject = source_person.subject
        AND withheld.use_case = use.use_case
        AND (withheld.program IS NULL OR withheld.program = use.program)
    GROUP BY
        source_person.partner,
        source_person.source_person_id,
        used.uses
    HAVING COUNT(DISTINCT (use.use_case, use.program)) = used.uses
$$;

------------------------------------------------------------------------------------------------------------ ledger

-- What was permitted and said of consent when the integration began, as a hash: another hash calls for another integration.
ALTER TABLE ledger.integration ADD COLUMN gates text;

-------------------------------------------------------------------------------------------------------------- mart

CREATE TABLE mart.output_feed (
    output text NOT NULL,
    use_case text NOT NULL,
    feed text NOT NULL,
    counted boolean NOT NULL,
    clause text NOT NULL,
    CONSTRAINT pk_output_feed PRIMARY KEY (output, feed)
);
COMMENT ON TABLE mart.output_feed IS
'One row per table of this schema that answers a use case, and feed: whether the feed is counted in it, and by which clause.';
COMMENT ON COLUMN mart.output_feed.output IS 'Name of the table.';
COMMENT ON COLUMN mart.output_feed.use_case IS 'The use case that it answers.';
COMMENT ON COLUMN mart.output_feed.feed IS 'Which feed.';
COMMENT ON COLUMN mart.output_feed.counted IS
'Whether the feed''s records are counted. A table none of whose feeds is counted is empty: it is not published.';
COMMENT ON COLUMN mart.output_feed.clause IS 'The clause that allows it, or the one for which it is left out.';

------------------------------------------------------------------------------------------------------------ grants

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA identity TO kb_linkage, kb_steward;

GRANT SELECT, INSERT, UPDATE ON record.consent TO kb_pipeline;
GRANT SELECT ON record.consent TO kb_linkage, kb_steward;
GRANT SELECT ON identity.consent_statement TO kb_linkage;
GRANT SELECT, INSERT, DELETE ON
identity.consent_rule, identity.consent_form, identity.consent_scope, identity.integrated_feed, identity.integrated_withheld
TO kb_linkage;
GRANT SELECT, INSERT, DELETE ON mart.output_feed TO kb_linkage;
GRANT SELECT ON mart.output_feed TO kb_analyst;

-- A steward records a statement under the time at which it is recorded, and sees what is said of a person. Names are not
-- needed for that: of record.person partners' ids are open to stewards, and of the rest of `record` nothing.
GRANT USAGE ON SCHEMA record, identity TO kb_steward;
GRANT SELECT (partner, source_person_id, known_to) ON record.person TO kb_steward;
GRANT SELECT ON
identity.consent_statement, identity.consent_rule, identity.consent_form, identity.consent_scope, identity.person_link
TO kb_steward;
GRANT INSERT (
    partner, source_person_id, decision, use_case, program, form, effective_from, effective_to, signed_on, evidence,
    supersedes, recorded_by
) ON identity.consent_statement TO kb_steward;
