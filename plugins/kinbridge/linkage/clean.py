"""Source records made comparable.

Input: a table of `INPUT_COLUMNS` (any of them may be absent but `source` and `source_person_id`); output: the table
`cleaned` of an engine, one row per source person, with `CLEANED_COLUMNS`. The steps are in `clean.sql`. Originals are
never altered, and placeholders become "not known" so that they never count as agreement.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from kinbridge.linkage.columnar import texts
from kinbridge.linkage.columns import INPUT_COLUMNS
from kinbridge.linkage.engine.engine import Engine
from kinbridge.linkage.model import Model
from kinbridge.settings import include_folders


def clean(engine: Engine, records: pa.Table, model: Model, heaps: Sequence[tuple[str, str]] | None = None) -> int:
    """Make the table `cleaned` of `engine` from `records` and return its number of rows.

    The cleaned rows are numbered by (source, source_person_id), so the order of the input does not matter.
    `heaps` are the birthdays, by source, that say no more than the year; without it, they are found among these.
    """
    engine.give("given_record", records)
    given = set(records.column_names)
    columns = [
        f"{name if name in given else 'NULL'}::{'DATE' if name == 'birth_date' else 'VARCHAR'} AS {name}"
        for name in INPUT_COLUMNS
    ]
    # Empty text is "not known", whatever the column.
    blanks = [name if name == "birth_date" else f"nullif(trim({name}), '') AS {name}" for name in INPUT_COLUMNS]
    engine.run(
        f"CREATE OR REPLACE TEMP VIEW source_record AS SELECT {', '.join(blanks)}"
        f" FROM (SELECT {', '.join(columns)} FROM given_record)"
    )
    _give_words(engine, model)
    engine.give("given_heap", _heaps(heaps or ()))
    engine.run(f"CREATE OR REPLACE TEMP MACRO heaps_known() AS {'true' if heaps is not None else 'false'}")
    engine.run(resources.files(__package__).joinpath("clean.sql").read_text(encoding="utf-8"))
    [(count,)] = engine.rows("SELECT count(*) FROM cleaned")
    engine.drop("given_record", "given_heap")
    return int(count)


def _give_words(engine: Engine, model: Model) -> None:
    """What the declarations say of words: nicknames and street words as tables, placeholders and a limit as macros."""
    placeholders = " ".join(
        f"WHEN {_literal(element)} THEN given IN ({', '.join(map(_literal, values))})"
        for element, values in model.placeholders.items()
        if values
    )
    engine.run(f"CREATE OR REPLACE TEMP MACRO is_placeholder(asked, given) AS CASE asked {placeholders} ELSE false END")
    for macro, limit in (
        ("shared_at_most", "ssn_birth_dates"),
        ("heap_least", "heap_least"),
        ("heap_times", "heap_times"),
    ):
        engine.run(f"CREATE OR REPLACE TEMP MACRO {macro}() AS {model.limits[limit]!r}")
    for name, columns, file in (
        ("nickname", ("nickname", "name"), "nicknames.csv"),
        ("street_word", ("word", "short"), "street_words.csv"),
    ):
        rows = word_rows(file)
        arrays = [texts([row[index] for row in rows]) for index in range(len(columns))]
        engine.give(name, pa.table(arrays, names=list(columns)))


def found_heaps(engine: Engine) -> tuple[tuple[str, str], ...]:
    """The heaped birthdays by which `clean` went, by source."""
    return tuple((str(source), str(day)) for source, day in engine.rows("SELECT source, day FROM heaped ORDER BY ALL"))


def _heaps(heaps: Sequence[tuple[str, str]]) -> pa.Table:
    return pa.table([texts([heap[at] for heap in heaps]) for at in (0, 1)], names=["source", "day"])


def _literal(value: str) -> str:
    return str(exp.Literal.string(value).sql("duckdb"))


def word_rows(name: str) -> list[tuple[str, str]]:
    """The rows of a two-column CSV below `include/linkage/`, of every include folder, each once."""
    rows: dict[tuple[str, str], None] = {}
    for folder in include_folders():
        path: Path = folder / "linkage" / name
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                for first, second in list(csv.reader(file))[1:]:
                    rows[first, second] = None
    return list(rows)
