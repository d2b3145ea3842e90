"""SQL for the persons that a partner knows by another id now, for the records of its other feeds with the former one.

Pure text. Changed ids are read from `record.person_key_change`, which loads write; nothing of `record` is changed for
them, so it holds what each feed has said, and the order in which feeds arrive does not matter.
"""

from __future__ import annotations

# Grain: one row per partner and former id, with the id at the end of the changes that followed each other. A former id
# that the feed has given again since it changed is nobody's former one any more, even if it was taken back later.
# Changes in a circle end nowhere and are left out. To stand behind WITH RECURSIVE.
KNOWN_AS = """
change AS (
    SELECT
        changed.partner,
        changed.source_person_id,
        changed.became
    FROM record.person_key_change AS changed
    WHERE NOT EXISTS (
        SELECT
        FROM record.person AS again
        WHERE
            again.feed = changed.feed
            AND again.source_person_id = changed.source_person_id
            AND (again.known_to IS NULL OR again.as_of > changed.as_of)
    )
),
step AS (
    SELECT partner, source_person_id, became
    FROM change
    UNION ALL
    SELECT
        step.partner,
        step.source_person_id,
        change.became
    FROM step
    INNER JOIN change ON change.partner = step.partner AND change.source_person_id = step.became
) CYCLE became SET goes_round USING passed,
known_as AS (
    SELECT
        step.partner,
        step.source_person_id,
        step.became
    FROM step
    WHERE
        NOT step.goes_round
        AND NOT EXISTS (
            SELECT
            FROM change
            WHERE change.partner = step.partner AND change.source_person_id = step.became
        )
)
"""

# Who was linked to whom so far. Who is known by a new id is still who the former one was.
LINKS = f"""
WITH RECURSIVE {KNOWN_AS}
SELECT partner AS source, source_person_id, person_id
FROM identity.person_link
UNION ALL
(
    SELECT DISTINCT ON (known_as.partner, known_as.became)
        known_as.partner,
        known_as.became,
        link.person_id
    FROM known_as
    INNER JOIN identity.person_link AS link USING (partner, source_person_id)
    WHERE NOT EXISTS (
        SELECT
        FROM identity.person_link AS known
        WHERE known.partner = known_as.partner AND known.source_person_id = known_as.became
    )
    ORDER BY known_as.partner, known_as.became, known_as.source_person_id
)
"""

# Former ids point to the person of the new one: events and enrollments of other feeds still have them.
LINK_FORMER = f"""
WITH RECURSIVE {KNOWN_AS}
INSERT INTO identity.person_link (partner, source_person_id, person_id, run_id)
SELECT
    known_as.partner,
    known_as.source_person_id,
    link.person_id,
    %(run_id)s
FROM known_as
INNER JOIN identity.person_link AS link ON link.partner = known_as.partner AND link.source_person_id = known_as.became
ON CONFLICT (partner, source_person_id) DO UPDATE
SET person_id = excluded.person_id, run_id = excluded.run_id
WHERE person_link.person_id <> excluded.person_id
"""
