"""What an evaluation is given: records with their subgroups, from files or from the warehouse, and truth or labels.

I/O only. Nothing is written but what `kinbridge.consent` writes at every link: which rules hold, and what is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from kinbridge.consent.comparable import note_comparable
from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.linkable import note_linkable
from kinbridge.consent.rules import write_rules
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.file_records import read_columns, read_records
from kinbridge.linkage.file_sources import read_file_sources
from kinbridge.linkage.habits import with_partner_habits
from kinbridge.linkage.known_as import KNOWN_AS
from kinbridge.linkage.ledger.adopted import adopted_model, read_frequencies
from kinbridge.linkage.ledger.persons import current_persons
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.purpose import Allowed
from kinbridge.linkage.rehearsal import InUse
from kinbridge.linkage.trained import model_digest
from kinbridge.warehouse.arrow import copy_out
from kinbridge.warehouse.connection import Dsn, transaction

# The columns of record.person by which people may be grouped.
WAREHOUSE_GROUPS = ("race_ethnicity", "language")
TRUTH_COLUMNS = (("source", "row_id", "person"), ("partner", "source_person_id", "true_person_id"))
PEOPLE_COLUMNS = (("source", "row_id", "person_id"),)


@dataclass(frozen=True)
class Given:
    """Records (`columns.INPUT_COLUMNS`), their model, and the columns by which they are grouped (source, row_id, …).

    `newest` is the day of the newest delivery, where it is known; `reviewed` the decisions that stand, as
    `labels.SCHEMA`; `allowed` which records may be compared, without it all; `in_use` what the warehouse links by.
    """

    records: pa.Table
    model: Model
    groups: pa.Table | None
    newest: date | None
    reviewed: pa.Table | None = None
    allowed: Allowed | None = None
    in_use: InUse | None = None


def from_files(config: Path, by: Sequence[str], newest: date | None) -> Given:
    """The rows of the files that `config` names; `by` are columns of any of the files.

    Raises `KinbridgeError` as `linkage.files.link_files` does, and KB-K33 for a column that says who somebody is or
    that no file has.
    """
    given = read_file_sources(config)
    used = {name.strip() for source in given.sources for column in source.columns.values() for name in column.theirs}
    ids = {source.id.strip() for source in given.sources}
    free = {
        name.strip()
        for source in given.sources
        for ours in ("sex", "city", "state")
        if ours in source.columns
        for name in source.columns[ours].theirs
    }
    for name in by:
        if name in (used | ids) - free:
            raise KinbridgeError("KB-K33", column=name, problem="it says who somebody is")
    records = [read_records(source, config) for source in given.sources]
    groups = [read_columns(source, by) for source in given.sources]
    for name in by:
        if all(table[name].null_count == len(table) for table in groups):
            raise KinbridgeError("KB-K33", column=name, problem="no file has it")
    habits = {source.name: source.duplicates for source in given.sources}
    return Given(
        pa.concat_tables(records, promote_options="default"),
        replace(read_model(), duplicates_by_source=habits),
        pa.concat_tables(groups) if by else None,
        newest,
    )


def from_warehouse(dsn: Dsn, by: Sequence[str], newest: date | None, gates: Gates | None = None) -> Given:
    """The persons that are current in the warehouse and may be linked, and what people decided of pairs of them.

    Raises `KinbridgeError` KB-K33 for a column by which people may not be grouped, and as `linkage.run` does.
    """
    for name in by:
        if name not in WAREHOUSE_GROUPS:
            raise KinbridgeError("KB-K33", column=name, problem=f"known are {', '.join(WAREHOUSE_GROUPS)}")
    wanted = list(dict.fromkeys(["race_ethnicity", *by]))
    with transaction(dsn) as connection, connection.cursor() as cursor:
        gates = gates or read_gates(connection)
        write_rules(cursor, gates)
        note_linkable(cursor, gates)
        allowed = note_comparable(cursor, gates)
        records = current_persons(cursor)
        latest = ", ".join(_LATEST.format(name=name) for name in wanted)
        types = [(name, pa.string()) for name in ("source", "row_id", *wanted)]
        groups = copy_out(cursor, _GROUPS.format(known_as=KNOWN_AS, latest=latest), pa.schema(types))
        cursor.execute(_NEWEST)
        [(day,)] = cursor.fetchall()
        reviewed = _decisions(cursor)
        model = with_partner_habits(read_model())
        in_use = _in_use(cursor, model, records)
    return Given(records, model, groups, newest or day, reviewed, allowed, in_use)


def _in_use(cursor: Any, model: Model, records: pa.Table) -> InUse:
    """The trained model that the next run would score with, as it would choose it."""
    adopted = adopted_model(cursor, model, model_digest(model))
    sources = set(pc.unique(records.column("source")).to_pylist())
    if adopted is None or adopted.outgrown(records.num_rows, sources):
        return InUse(None)
    return InUse(adopted.trained, read_frequencies(cursor, adopted.training_id))


# Grain: one row per partner and source_person_id. Sources: record.person, linkable_feed.
_GROUPS = """
WITH RECURSIVE {known_as}
SELECT
    partner AS source,
    coalesce(known_as.became, source_person_id) AS row_id,
    {latest}
FROM record.person
LEFT JOIN known_as USING (partner, source_person_id)
WHERE known_to IS NULL AND feed IN (SELECT feed FROM linkable_feed)
GROUP BY 1, 2
"""
_LATEST = "(array_agg({name} ORDER BY as_of DESC, feed) FILTER (WHERE {name} IS NOT NULL))[1] AS {name}"
_NEWEST = "SELECT max(as_of) FROM record.person WHERE known_to IS NULL AND feed IN (SELECT feed FROM linkable_feed)"
# Where reviewers disagree the pair counts as unsure: nobody knows yet. Who is known by a new id is still who the former
# one was, so a decision goes along.
# Grain: one row per pair with a decision that stands. Sources: identity.pair_verdict, record.person_key_change.
_VERDICTS = f"""
WITH RECURSIVE {KNOWN_AS}
SELECT
    'pair' AS part,
    verdict.partner_left AS source_left,
    coalesce(l.became, verdict.source_person_id_left) AS row_id_left,
    verdict.partner_right AS source_right,
    coalesce(r.became, verdict.source_person_id_right) AS row_id_right,
    NULL AS weight,
    CASE WHEN verdict.disagreed THEN 'unsure' ELSE verdict.verdict END AS label
FROM identity.pair_verdict AS verdict
LEFT JOIN known_as AS l
    ON l.partner = verdict.partner_left AND l.source_person_id = verdict.source_person_id_left
LEFT JOIN known_as AS r
    ON r.partner = verdict.partner_right AND r.source_person_id = verdict.source_person_id_right
"""


def _decisions(cursor: Any) -> pa.Table:
    names = ("part", "source_left", "row_id_left", "source_right", "row_id_right", "weight", "label")
    return copy_out(
        cursor, _VERDICTS, pa.schema([(name, pa.float64() if name == "weight" else pa.string()) for name in names])
    )


def with_verdicts(labels: pa.Table, reviewed: pa.Table | None) -> pa.Table:
    """A sample whose empty labels are filled with what people decided of the pair in the warehouse."""
    if reviewed is None:
        return labels
    known = {}
    for one, first, other, second, label in zip(
        *(reviewed.column(name).to_pylist() for name in _ENDS_OF), reviewed.column("label").to_pylist(), strict=True
    ):
        known[(one, first), (other, second)] = known[(other, second), (one, first)] = label
    filled = [
        label if label is not None else known.get(((one, first), (other, second)))
        for one, first, other, second, label in zip(
            *(labels.column(name).to_pylist() for name in _ENDS_OF), labels.column("label").to_pylist(), strict=True
        )
    ]
    return labels.set_column(labels.schema.get_field_index("label"), "label", pa.array(filled, pa.string()))


_ENDS_OF = ("source_left", "row_id_left", "source_right", "row_id_right")


def read_truth(path: Path) -> pa.Table:
    """A truth: source, row_id, person. The simulator's `truth/people.csv` is one. Raises `KinbridgeError` KB-K30."""
    return _table(path, TRUTH_COLUMNS, ("source", "row_id", "person"))


def read_people(path: Path) -> pa.Table:
    """People as `kinbridge link files` wrote them: source, row_id, person_id. Raises `KinbridgeError` KB-K30."""
    return _table(path, PEOPLE_COLUMNS, ("source", "row_id", "person_id"))


def _table(path: Path, known: Sequence[tuple[str, ...]], names: tuple[str, ...]) -> pa.Table:
    try:
        with path.open("rb") as file:
            header = pyarrow.csv.read_csv(pa.BufferReader(file.readline() + b"\n")).column_names
        columns = next((one for one in known if set(one) <= set(header)), None)
        if columns is None:
            raise KinbridgeError("KB-K30", path=path, problem=f"expected the columns {', '.join(known[0])}")
        table = pyarrow.csv.read_csv(
            path,
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in columns},
                include_columns=list(columns),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError, OSError):
        raise KinbridgeError("KB-K30", path=path, problem="it cannot be read as CSV in UTF-8") from None
    table = table.rename_columns(names)
    twice = len(table) - len(table.group_by(["source", "row_id"]).aggregate([]))
    if twice or pc.any(pc.is_null(table["row_id"])).as_py():
        raise KinbridgeError("KB-K30", path=path, problem=f"{twice} rows have an id that another row has, or none")
    return table
