-- target: identity.relation
-- grain: one row per statement of a relation between two persons, and the time for which it stood
-- sources: record.person_relationship, ledger.delivery, usable_link, permitted_feed, withheld_feed, spoke, case_said
-- As partners state them: in so many words (statement `relationship`), or by the roles in a case (`case`: an adult of the case
-- cares for its children). A case of more members than a family has says nothing of who cares for whom.
DELETE FROM identity.relation;

INSERT INTO identity.relation (
    person_id, related_person_id, kind, statement, partner, feed, source_person_id, related_source_person_id,
    source_family_id, delivery_id, line_no, since, until
)
SELECT *
FROM (
    SELECT
        link.person_id,
        related.person_id AS related_person_id,
        CASE
            WHEN stated.relationship_type IN ('sibling', 'spouse') THEN stated.relationship_type
            ELSE stated.relationship_type || '_of'
        END AS kind,
        'relationship' AS statement,
        stated.partner,
        stated.feed,
        stated.source_person_id,
        stated.related_source_person_id,
        NULL AS source_family_id,
        stated.delivery_id,
        stated.line_no,
        said.as_of AS since,
        CASE WHEN stated.known_to IS NOT NULL THEN COALESCE(next_said.as_of, spoke.next_as_of) END AS until
    FROM record.person_relationship AS stated
    INNER JOIN usable_link AS link USING (partner, source_person_id)
    INNER JOIN usable_link AS related
        ON related.partner = stated.partner
        AND related.source_person_id = stated.related_source_person_id
    INNER JOIN ledger.delivery AS said ON said.delivery_id = stated.delivery_id
    LEFT JOIN spoke
        ON spoke.feed = stated.feed
        AND spoke.as_of = stated.as_of
    LEFT JOIN record.person_relationship AS following
        ON following.feed = stated.feed
        AND following.source_person_id = stated.source_person_id
        AND following.related_source_person_id = stated.related_source_person_id
        AND following.known_from = stated.known_to
    LEFT JOIN ledger.delivery AS next_said ON next_said.delivery_id = following.delivery_id
    WHERE stated.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
        AND NOT EXISTS (
            SELECT
            FROM withheld_feed
            WHERE withheld_feed.person_id IN (link.person_id, related.person_id)
                AND withheld_feed.feed = stated.feed
        )
) AS stated
WHERE stated.person_id <> stated.related_person_id
    AND (stated.until IS NULL OR stated.until > stated.since);

INSERT INTO identity.relation (
    person_id, related_person_id, kind, statement, partner, feed, source_person_id, related_source_person_id,
    source_family_id, delivery_id, line_no, since, until
)
SELECT
    adult.person_id,
    child.person_id,
    'caregiver_of' AS kind,
    'case' AS statement,
    child.partner,
    child.feed,
    adult.source_person_id,
    child.source_person_id,
    child.source_family_id,
    child.delivery_id,
    child.line_no,
    GREATEST(adult.since, child.since) AS since,
    LEAST(adult.until, child.until) AS until
FROM case_said AS adult
INNER JOIN case_said AS child
    ON child.case_key = adult.case_key
    AND child.feed = adult.feed
    AND child.person_id <> adult.person_id
    AND (adult.until IS NULL OR child.since < adult.until)
    AND (child.until IS NULL OR adult.since < child.until)
INNER JOIN (
    SELECT case_said.case_key
    FROM case_said
    CROSS JOIN parameter
    GROUP BY
        case_said.case_key,
        parameter.family_members
    HAVING COUNT(DISTINCT case_said.person_id) <= parameter.family_members
) AS family ON family.case_key = adult.case_key
WHERE adult.family_role = 'adult'
    AND child.family_role = 'child';

ANALYZE identity.relation;
