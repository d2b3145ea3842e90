-- Who is withheld, found for several use cases at once. Run by the owner. The rules are those of 0009_consent.sql; what
-- differs is the way: statements are read once for all use cases, and rows meet by numbers. Nested loops are off, since
-- nobody can tell the planner how many people have said something; so are merge joins and sorts, which would put partners'
-- ids in the order of a language and cost more than all the rest.

DROP FUNCTION identity.withheld_subject(text, date, timestamptz, boolean);

-- Grain: one row per person (or record of which no person is known, with `with_unlinked`), use case, program and clause for
-- which it is withheld; a row may come twice. `person_id`, or `partner` and `source_person_id` of the record that is no
-- person's. Within, the empty program stands for all of them, so that rows meet by equality.
-- A record's last refusal (revoked, limited) stands until a grant of the same record begins on a later day; of one day the
-- refusal counts. A grant counts when its form covers use case and program and is still valid. What any of a person's
-- records refuses holds for the person. Under not_required nobody is withheld; under opt_out and attested who refused; under
-- opt_in and written also who has not granted. A use case without rules is open to nobody.
CREATE FUNCTION identity.withheld_subject(
    asked_use_cases text[],
    asked_day date,
    asked_known timestamptz,
    with_unlinked boolean
)
RETURNS TABLE (
    use_case text,
    person_id uuid,
    partner text,
    source_person_id text,
    program text,
    rule text,
    clause text
)
LANGUAGE sql STABLE ROWS 100000
SET enable_nestloop = off
SET enable_mergejoin = off
SET enable_sort = off
SET work_mem = '128MB'
AS $$
    WITH demand AS (
        SELECT DISTINCT
            consent_rule.use_case,
            SPLIT_PART(consent_rule.feed, '/', 1) AS partner,
            COALESCE(consent_rule.program, '') AS program,
            consent_rule.rule,
            consent_rule.form,
            consent_rule.clause
        FROM identity.consent_rule
        WHERE consent_rule.use_case = ANY(asked_use_cases)
            AND consent_rule.rule <> 'not_required'
    ),

    said AS MATERIALIZED (
        SELECT
            consent.partner,
            consent.source_person_id,
            consent.decision,
            consent.use_case,
            consent.program,
            consent.form,
            consent.effective_from,
            COALESCE(consent.signed_on, consent.effective_from) AS signed_on
        FROM identity.consent_said(asked_day, asked_known) AS consent
    ),

    -- What somebody may have granted or refused. Of use cases that no statement names, those that the same forms cover are
    -- one: whoever may serve one of them may serve all.
    demanded AS (
        SELECT
            named.use_case,
            named.program,
            named.own_use_case,
            DENSE_RANK() OVER (ORDER BY named.program, named.own_use_case, named.forms) AS demanded_no
        FROM (
            SELECT
                each.use_case,
                each.program,
                CASE WHEN each.use_case IN (SELECT said.use_case FROM said) THEN each.use_case END AS own_use_case,
                ARRAY(
                    SELECT DISTINCT consent_form.form || ' ' || COALESCE(consent_form.valid_months, 0)
                    FROM identity.consent_form
                    WHERE (consent_form.program IS NULL OR consent_form.program = each.program)
                        AND (consent_form.use_case IS NULL OR consent_form.use_case = each.use_case)
                    ORDER BY 1
                ) AS forms
            FROM (SELECT DISTINCT demand.use_case, demand.program FROM demand) AS each
        ) AS named
    ),

    kind AS (
        SELECT DISTINCT
            demanded.demanded_no,
            demanded.own_use_case,
            demanded.program
        FROM demanded
    ),

    -- A record of which no person is known is a subject of its own, for as long as this takes.
    source_person AS MATERIALIZED (
        SELECT
            ROW_NUMBER() OVER () AS record_no,
            COALESCE(record.person_id, GEN_RANDOM_UUID()) AS subject,
            record.partner,
            record.source_person_id,
            record.person_id
        FROM (
            SELECT
                link.partner,
                link.source_person_id,
                link.person_id
            FROM identity.person_link AS link
            UNION ALL
            SELECT DISTINCT
                person.partner,
                person.source_person_id,
                NULL::uuid
            FROM record.person
            WHERE with_unlinked
                AND person.known_to IS NULL
                AND NOT EXISTS (
                    SELECT
                    FROM identity.person_link AS link
                    WHERE link.partner = person.partner
                        AND link.source_person_id = person.source_person_id
                )
        ) AS record
    ),

    statement AS (
        SELECT
            source_person.record_no,
            source_person.subject,
            said.decision <> 'granted' AS refuses,
            said.use_case,
            said.program,
            said.form,
            said.effective_from,
            said.signed_on,
            said.use_case IS NOT NULL AND known_use_case.name IS NULL AS of_unknown_use_case,
            said.program IS NOT NULL AND known_program.name IS NULL AS of_unknown_program
        FROM said
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
            SPLIT_PART(consent_form.form, '/', 1) AS form_id,
            demanded.demanded_no,
            demanded.own_use_case,
            demanded.program,
            consent_form.valid_months
        FROM identity.consent_form
        INNER JOIN demanded
            ON (consent_form.program IS NULL OR consent_form.program = demanded.program)
            AND (consent_form.use_case IS NULL OR consent_form.use_case = demanded.use_case)
    ),

    refused AS (
        SELECT
            statement.record_no,
            statement.subject,
            kind.demanded_no,
            MAX(statement.effective_from) AS refused_on
        FROM statement
        INNER JOIN kind
            ON (
                statement.program IS NULL
                OR statement.of_unknown_program
                OR kind.program IN ('', statement.program)
            )
            AND (
                statement.use_case IS NULL
                OR statement.of_unknown_use_case
                OR statement.use_case = kind.own_use_case
            )
        WHERE statement.refuses
        GROUP BY
            statement.record_no,
            statement.subject,
            kind.demanded_no
    ),

    -- Of those who refused, what they granted: it lifts the refusal where it begins on a later day.
    regranted AS (
        SELECT
            statement.record_no,
            covered.demanded_no,
            MAX(statement.effective_from) AS granted_on
        FROM (SELECT DISTINCT refused.record_no FROM refused) AS refuser
        INNER JOIN statement USING (record_no)
        INNER JOIN covered
            ON covered.form = statement.form
            AND (statement.program IS NULL OR statement.program = covered.program)
            AND (statement.use_case IS NULL OR statement.use_case = covered.own_use_case)
        WHERE NOT statement.refuses
            AND (
                covered.valid_months IS NULL
                OR statement.signed_on + MAKE_INTERVAL(months => covered.valid_months) > asked_day
            )
        GROUP BY
            statement.record_no,
            covered.demanded_no
    ),

    standing_refusal AS (
        SELECT DISTINCT
            refused.subject,
            refused.demanded_no
        FROM refused
        LEFT JOIN regranted USING (record_no, demanded_no)
        WHERE regranted.granted_on IS NULL
            OR regranted.granted_on <= refused.refused_on
    ),

    -- Grain: one row per statement and thing that it grants; nobody needs them once.
    standing_grant AS (
        SELECT
            statement.subject,
            covered.demanded_no,
            covered.form_id
        FROM statement
        INNER JOIN covered
            ON covered.form = statement.form
            AND (statement.program IS NULL OR statement.program = covered.program)
            AND (statement.use_case IS NULL OR statement.use_case = covered.own_use_case)
        LEFT JOIN refused USING (record_no, demanded_no)
        WHERE NOT statement.refuses
            AND (
                covered.valid_months IS NULL
                OR statement.signed_on + MAKE_INTERVAL(months => covered.valid_months) > asked_day
            )
            AND (refused.refused_on IS NULL OR statement.effective_from > refused.refused_on)
    ),

    -- What a partner's persons must have granted, and who has not.
    wanted AS (
        SELECT DISTINCT
            demand.partner,
            demanded.demanded_no,
            demand.form
        FROM demand
        INNER JOIN demanded USING (use_case, program)
        WHERE demand.rule IN ('opt_in', 'written')
    ),

    lacking AS (
        SELECT
            source_person.subject,
            wanted.partner,
            wanted.demanded_no,
            wanted.form
        FROM source_person
        INNER JOIN wanted USING (partner)
        WHERE NOT EXISTS (
            SELECT
            FROM standing_grant
            WHERE standing_grant.subject = source_person.subject
                AND standing_grant.demanded_no = wanted.demanded_no
                AND (wanted.form IS NULL OR standing_grant.form_id = wanted.form)
        )
    ),

    withheld AS (
        SELECT
            standing_refusal.subject,
            demand.use_case,
            demand.program,
            demand.rule,
            demand.clause
        FROM standing_refusal
        INNER JOIN demanded USING (demanded_no)
        INNER JOIN demand USING (use_case, program)
        UNION ALL
        SELECT
            lacking.subject,
            demand.use_case,
            demand.program,
            demand.rule,
            demand.clause
        FROM lacking
        INNER JOIN demanded USING (demanded_no)
        INNER JOIN demand
            ON demand.partner = lacking.partner
            AND demand.use_case = demanded.use_case
            AND demand.program = demanded.program
            AND demand.form IS NOT DISTINCT FROM lacking.form
        WHERE demand.rule IN ('opt_in', 'written')
        UNION ALL
        SELECT
            source_person.subject,
            asked.use_case,
            '' AS program,
            'written' AS rule,
            'no consent rule is on record for ' || asked.use_case AS clause
        FROM source_person
        CROSS JOIN UNNEST(asked_use_cases) AS asked (use_case)
        WHERE NOT EXISTS (
            SELECT
            FROM identity.consent_rule
            WHERE consent_rule.use_case = asked.use_case
        )
    )

    SELECT
        withheld.use_case,
        CASE WHEN lone.subject IS NULL THEN withheld.subject END,
        lone.partner,
        lone.source_person_id,
        NULLIF(withheld.program, ''),
        withheld.rule,
        withheld.clause
    FROM withheld
    LEFT JOIN source_person AS lone
        ON lone.subject = withheld.subject
        AND lone.person_id IS NULL
$$;

-- Grain: one row per person and program that must not serve the use case; none as the program: nothing of the person may.
-- That is so where every program is withheld of which a partner that knows the person speaks. Of several clauses, one of the
-- strictest is named.
CREATE OR REPLACE FUNCTION identity.withheld_person(use_case text, day date, known timestamptz)
RETURNS TABLE (person_id uuid, program text, clause text)
LANGUAGE sql STABLE
SET enable_nestloop = off
SET enable_mergejoin = off
SET work_mem = '128MB'
AS $$
    WITH withheld AS (
        SELECT DISTINCT ON (subject.person_id, subject.program)
            subject.person_id,
            subject.program,
            subject.clause
        FROM identity.withheld_subject(ARRAY[use_case], day, known, FALSE) AS subject
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
            AND withheld.program = spoken_of.program
        GROUP BY spoken_of.person_id
        HAVING BOOL_AND(withheld.person_id IS NOT NULL)
        UNION
        SELECT withheld.person_id
        FROM withheld
        WHERE withheld.program IS NULL
    )

    SELECT
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

-- Grain: one row per partner's person, feed of that partner and use case that the feed's rows about the person must not serve:
-- those of every program are withheld of which the feed speaks. Known persons count by all their records, new ones by their
-- own.
DROP FUNCTION identity.withheld_record(date, timestamptz);

CREATE FUNCTION identity.withheld_record(day date, known timestamptz)
RETURNS TABLE (partner text, source_person_id text, feed text, use_case text)
LANGUAGE sql STABLE ROWS 100000
SET enable_nestloop = off
SET enable_mergejoin = off
SET enable_sort = off
SET work_mem = '128MB'
AS $$
    -- What each feed may be used for, by the program of which it speaks: all programs of a use have to be withheld.
    WITH used AS (
        SELECT
            use.partner,
            use.feed,
            use.use_case,
            use.program,
            COUNT(*) OVER (PARTITION BY use.feed, use.use_case) AS programs
        FROM (
            SELECT DISTINCT
                SPLIT_PART(consent_rule.feed, '/', 1) AS partner,
                consent_rule.feed,
                consent_rule.use_case,
                COALESCE(consent_rule.program, '') AS program
            FROM identity.consent_rule
        ) AS use
    ),

    withheld AS (
        SELECT
            subject.use_case,
            subject.person_id,
            subject.partner,
            subject.source_person_id,
            subject.program
        FROM identity.withheld_subject(
            ARRAY(SELECT DISTINCT used.use_case FROM used), day, known, TRUE
        ) AS subject
    ),

    barred AS (
        SELECT DISTINCT
            used.partner,
            used.feed,
            used.use_case,
            used.program,
            used.programs,
            withheld.person_id,
            withheld.source_person_id
        FROM withheld
        INNER JOIN used
            ON used.use_case = withheld.use_case
            AND (withheld.program IS NULL OR withheld.program = used.program)
            AND (withheld.partner IS NULL OR withheld.partner = used.partner)
    ),

    wholly AS (
        SELECT
            barred.partner,
            barred.feed,
            barred.use_case,
            barred.person_id,
            barred.source_person_id
        FROM barred
        GROUP BY
            barred.partner,
            barred.feed,
            barred.use_case,
            barred.person_id,
            barred.source_person_id,
            barred.programs
        HAVING COUNT(*) = barred.programs
    )

    SELECT
        wholly.partner,
        wholly.source_person_id,
        wholly.feed,
        wholly.use_case
    FROM wholly
    WHERE wholly.person_id IS NULL
    UNION ALL
    SELECT
        link.partner,
        link.source_person_id,
        wholly.feed,
        wholly.use_case
    FROM wholly
    INNER JOIN identity.person_link AS link
        ON link.person_id = wholly.person_id
        AND link.partner = wholly.partner
$$;

-- What a feed's agreement does not give is left out of what is built: elements of the common schema, sorted.
ALTER TABLE identity.integrated_feed ADD COLUMN without text[] NOT NULL DEFAULT '{}';
ALTER TABLE mart.output_feed ADD COLUMN without text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mart.output_feed.without IS
'Elements of the common schema that are not counted of this feed, since its agreement does not give them (any more).';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
identity.withheld_subject(text[], date, timestamptz, boolean), identity.withheld_record(date, timestamptz)
TO kb_linkage, kb_steward;
