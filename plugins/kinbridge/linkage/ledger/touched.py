"""Which records are judged again: those of every component in which anything may come out otherwise.

A component is what links and decisions hold together. It is judged again where a record has changed or left, where a
pair weighs otherwise, and where a change in a family may say something of two of its records that no stored pair tells
of. The others are as they were, and so is what was made of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kinbridge.linkage.clustering import components
from kinbridge.linkage.judging import numbers
from kinbridge.linkage.ledger.work import by_index
from kinbridge.warehouse.arrow import copy_in, copy_out

LINK_SCHEMA = pa.schema([("number_l", pa.int64()), ("number_r", pa.int64())])
_RECORD = pa.schema([("record", pa.int64())])

# Whom a changed record was linked with, or was together with by decision: their component may fall apart.
# Grain: one row per record. Sources: identity.pair, identity.verdict_applied, identity.prepared, changed.
_NEAR = """
CREATE TEMP TABLE near ON COMMIT DROP AS
SELECT record_right AS record
FROM identity.pair
INNER JOIN changed ON changed.record = pair.record_left
WHERE weight > %(link)s
UNION
SELECT record_left
FROM identity.pair
INNER JOIN changed ON changed.record = pair.record_right
WHERE weight > %(link)s
UNION
SELECT side.record
FROM identity.verdict_applied AS applied
LEFT JOIN identity.prepared AS l
    ON l.source = applied.partner_left AND l.source_person_id = applied.source_person_id_left
LEFT JOIN identity.prepared AS r
    ON r.source = applied.partner_right AND r.source_person_id = applied.source_person_id_right
CROSS JOIN LATERAL (VALUES (l.record), (r.record)) AS side (record)
WHERE
    applied.verdict = 'same'
    AND side.record IS NOT NULL
    AND (l.record IS NULL OR r.record IS NULL OR side.record IN (SELECT record FROM changed))
"""

# Grain of stirred: one row per record whose component is judged again. Grain of kin_inside: one row per two records of
# which a change in a family says something and that had no pair; it matters where they are in one component.
# Sources: changed, near, pair_otherwise, kin_changed, kin_met, pair_before.
_STIRRED = (
    """
    CREATE TEMP TABLE stirred ON COMMIT DROP AS
    SELECT record FROM changed
    UNION
    SELECT record FROM near
    UNION
    SELECT side.record
    FROM pair_otherwise
    CROSS JOIN LATERAL (VALUES (record_left), (record_right)) AS side (record)
    UNION
    SELECT record FROM kin_changed WHERE lost
    """,
    """
    CREATE TEMP TABLE kin_inside ON COMMIT DROP AS
    SELECT DISTINCT record, mate
    FROM kin_met
    WHERE
        NOT EXISTS (
            SELECT
            FROM pair_before
            WHERE pair_before.record_left = kin_met.record AND pair_before.record_right = kin_met.mate
        )
        AND NOT EXISTS (
            SELECT
            FROM pair_before
            WHERE pair_before.record_left = kin_met.mate AND pair_before.record_right = kin_met.record
        )
    """,
    "CREATE TEMP TABLE reached (record bigint PRIMARY KEY, step integer NOT NULL) ON COMMIT DROP",
    "INSERT INTO reached SELECT record, 0 FROM stirred UNION SELECT record, 0 FROM kin_inside",
)
_REACH = """
INSERT INTO reached
SELECT
    record_right,
    %(step)s
FROM identity.pair
INNER JOIN reached ON reached.record = pair.record_left AND reached.step = %(last)s
WHERE pair.weight > %(link)s
UNION
SELECT
    record_left,
    %(step)s
FROM identity.pair
INNER JOIN reached ON reached.record = pair.record_right AND reached.step = %(last)s
WHERE pair.weight > %(link)s
UNION
SELECT
    CASE reached.record WHEN record_left THEN record_right ELSE record_left END,
    %(step)s
FROM verdict_now
INNER JOIN reached ON reached.record IN (record_left, record_right) AND reached.step = %(last)s
WHERE verdict_now.verdict = 'same' AND NOT verdict_now.refused
ON CONFLICT DO NOTHING
"""
_REACHED = "SELECT record FROM reached INNER JOIN identity.prepared USING (record) ORDER BY 1"
_LINKED = """
SELECT record_left AS number_l, record_right AS number_r
FROM identity.pair
INNER JOIN reached ON reached.record = pair.record_left
WHERE pair.weight > {link!r}
UNION ALL
SELECT record_left, record_right
FROM verdict_now
INNER JOIN reached ON reached.record = verdict_now.record_left
WHERE verdict_now.verdict = 'same' AND NOT verdict_now.refused
"""
# Grain: one row per record judged again, and per record that has gone. Sources: given_touched, gone.
_TOUCHED = """
CREATE TEMP TABLE touched ON COMMIT DROP AS
SELECT record, source, source_person_id
FROM given_touched
INNER JOIN identity.prepared USING (record)
UNION ALL
SELECT record, source, source_person_id
FROM gone
"""


def note_near(cursor: Any, link: float) -> None:
    """Make `near` (record), before the pairs that say so go: whom the records in `changed` were linked with so far."""
    with by_index(cursor):
        cursor.execute(_NEAR, {"link": link})


def touch(cursor: Any, link: float) -> pa.Table:
    """Make `touched` (record, source, source_person_id), and return the components: (number, component).

    `pair_before` and `pair_otherwise` are the pairs that were scored again, as they were and where they are otherwise
    now; `link` is what a link weighs at least, in bits.
    """
    for statement in _STIRRED:
        cursor.execute(statement)
    step = 0
    with by_index(cursor):
        while cursor.rowcount:
            cursor.execute("ANALYZE reached")
            step += 1
            cursor.execute(_REACH, {"link": link, "last": step - 1, "step": step})
        reached = numbers(copy_out(cursor, _REACHED, _RECORD), "record")
        linked = copy_out(cursor, _LINKED.format(link=link), LINK_SCHEMA)
    component = components(
        len(reached), _places(reached, numbers(linked, "number_l")), _places(reached, numbers(linked, "number_r"))
    )
    chosen: np.ndarray = np.zeros(len(reached), dtype=bool)
    stirred = numbers(copy_out(cursor, "SELECT record FROM stirred", _RECORD), "record")
    chosen[component[_places(reached, np.intersect1d(reached, stirred))]] = True
    inside = copy_out(cursor, "SELECT record AS number_l, mate AS number_r FROM kin_inside", LINK_SCHEMA)
    one, other = numbers(inside, "number_l"), numbers(inside, "number_r")
    met = np.isin(other, reached)
    one, other = component[_places(reached, one[met])], component[_places(reached, other[met])]
    chosen[one[one == other]] = True
    again = chosen[component]
    copy_in(cursor, "given_touched", "record bigint", pa.table({"record": reached[again]}))
    cursor.execute(_TOUCHED)
    cursor.execute("ANALYZE touched")
    return pa.table({"number": reached[again], "component": component[again]})


def _places(reached: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Where in `reached`, which is sorted, each of the records stands."""
    places: np.ndarray = np.asarray(np.searchsorted(reached, records))
    return places
