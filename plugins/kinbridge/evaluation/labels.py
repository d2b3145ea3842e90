"""Labels that people gave to pairs: read from a file, and placed among the pairs of a run.

A label says `same` (one person), `different` (two) or `unsure`, which counts for neither and is told. A row's weight is
the inverse of the chance with which it was drawn; without one it counts once, as pairs do that were reviewed for
another reason than chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv

from kinbridge.errors import KinbridgeError
from kinbridge.evaluation.sample import COLUMNS, PAIR, RECORD

WORDS = ("same", "different", "unsure")
SCHEMA = pa.schema([(name, pa.float64() if name == "weight" else pa.string()) for name in COLUMNS])


@dataclass(frozen=True)
class Placed:
    """What became of the labels, in counts: `outside` were given to pairs or records that this run does not have, or
    that are in no band."""

    given: int
    unsure: int
    empty: int
    outside: int
    records: int


def read_labels(path: Path) -> pa.Table:
    """The rows of a labelled sample, with the columns `COLUMNS`.

    Raises `KinbridgeError` KB-K31 with the line of the first mistake.
    """
    try:
        table = pyarrow.csv.read_csv(
            path,
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=SCHEMA, null_values=[""], strings_can_be_null=True, include_columns=list(COLUMNS)
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeError, OSError):
        raise KinbridgeError(
            "KB-K31", path=path, line=1, problem=f"expected CSV with the columns {', '.join(COLUMNS)}"
        ) from None
    for line, (part, label, weight) in enumerate(
        zip(*(table.column(name).to_pylist() for name in ("part", "label", "weight")), strict=True), start=2
    ):
        if part not in (PAIR, RECORD):
            raise KinbridgeError("KB-K31", path=path, line=line, problem=f"part is {PAIR} or {RECORD}")
        if label is not None and label.strip().lower() not in WORDS:
            raise KinbridgeError("KB-K31", path=path, line=line, problem=f"a label is {', '.join(WORDS)} or empty")
        if weight is not None and not weight >= 1:
            raise KinbridgeError("KB-K31", path=path, line=line, problem="a weight is 1 or more, or empty")
    return table


def place_labels(connection: duckdb.DuckDBPyConnection, labels: pa.Table) -> Placed:
    """Make the tables `labelled_pair` (l, r, band, same, weight) and `searched` (record, missed, weight) of labels."""
    connection.register("given_label", labels.cast(SCHEMA))
    connection.execute(_PLACE)
    connection.unregister("given_label")
    [(given, unsure, empty, outside, records)] = connection.execute(
        f"""
        SELECT
            count(*) FILTER (WHERE label IN ('same', 'different')),
            count(*) FILTER (WHERE label = 'unsure'),
            count(*) FILTER (WHERE label IS NULL AND row_id_right IS NOT NULL),
            count(*) FILTER (
                WHERE label IN ('same', 'different')
                AND (own IS NULL OR mate IS NULL OR (part = '{PAIR}' AND band IS NULL))
            ),
            (SELECT count(*) FROM searched)
        FROM placed_label
        """
    ).fetchall()
    return Placed(given, unsure, empty, outside, records)


# Grain of labelled_pair: one row per pair with a label; of searched: one per drawn record of which every shown mate has
# one. A pair that was drawn both ways counts as a pair. Sources: given_label, cleaned, pair.
_PLACE = f"""
CREATE OR REPLACE TABLE placed_label AS
SELECT
    given_label.part,
    given_label.row_id_right,
    lower(trim(given_label.label)) AS label,
    coalesce(given_label.weight, 1.0) AS weight,
    own.record AS own,
    mate.record AS mate,
    pair.band
FROM given_label
LEFT JOIN cleaned AS own ON own.source = source_left AND own.source_person_id = row_id_left
LEFT JOIN cleaned AS mate ON mate.source = source_right AND mate.source_person_id = row_id_right
LEFT JOIN pair ON pair.l = least(own.record, mate.record) AND pair.r = greatest(own.record, mate.record);

CREATE OR REPLACE TABLE labelled_pair AS
SELECT
    least(own, mate) AS l,
    greatest(own, mate) AS r,
    any_value(band) AS band,
    bool_and(label = 'same') AS same,
    max(weight) AS weight
FROM placed_label
WHERE part = '{PAIR}' AND label IN ('same', 'different') AND band IS NOT NULL
GROUP BY l, r
HAVING count(DISTINCT label) = 1;

CREATE OR REPLACE TABLE searched AS
SELECT
    own AS record,
    count(*) FILTER (WHERE label = 'same' AND band IS NULL) AS missed,
    max(weight) AS weight
FROM placed_label
WHERE part = '{RECORD}' AND own IS NOT NULL
GROUP BY own
HAVING count(*) FILTER (WHERE row_id_right IS NOT NULL AND (label IS NULL OR label = 'unsure')) = 0
"""
