-- What consent withholds from linkage, feed by feed and use by use; relations and households over time. Run by the owner.

---------------------------------------------------------------------------------------------------------- consent

-- Grain: one row per partner's person, feed of that partner and use case that the feed's rows about the person must not serve:
-- those of every program are withheld of which the feed speaks. Known persons count by all their records, new ones by their
-- own.
DROP FUNCTION identity.withheld_record (date, timestamptz);

CREATE FUNCTION identity.withheld_record(day date, known timestamptz)
RETURNS TABLE (partner text, source_person_id text, feed text, use_case text)
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

    -- The programs of which each feed speaks: so many have to be withheld.
    used AS (
        SELECT
            consent_rule.feed,
            consent_rule.use_case,
            COUNT(DISTINCT COALESCE(consent_rule.program, '')) AS programs
        FROM identity.consent_rule
        GROUP BY
            consent_rule.feed,
            consent_rule.use_case
    )

    SELECT
        source_person.partner,
        source_person.source_person_id,
        rule.feed,
        rule.use_case
    FROM source_person
    INNER JOIN identity.consent_rule AS rule ON SPLIT_PART(rule.feed, '/', 1) = source_person.partner
    INNER JOIN used
        ON used.feed = rule.feed
        AND used.use_case = rule.use_case
    INNER JOIN withheld
        ON withheld.subject = source_person.subject
        AND withheld.use_case = rule.use_case
        AND (withheld.program IS NULL OR withheld.program = COALESCE(rule.program, ''))
    GROUP BY
        source_person.partner,
        source_person.source_person_id,
        rule.feed,
        rule.use_case,
        used.programs
    HAVING COUNT(DISTINCT COALESCE(rule.program, '')) = used.programs
$$;

REVOKE ALL ON FUNCTION identity.withheld_record (date, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.withheld_record (date, timestamptz) TO kb_linkage, kb_steward;
