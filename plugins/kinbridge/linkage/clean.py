"""Source records made comparable.

Input: a table of `INPUT_COLUMNS` (any of them may be absent but `source` and `source_person_id`); output: the table
`cleaned` in DuckDB, one row per source person, with `CLEANED_COLUMNS`. The steps are in `clean.sql`. Originals are
never altered, and placeholders become "not known" so that they never count as agreement.
"""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa

from kinbridge.linkage.columns import INPUT_COLUMNS
from kinbridge.linkage.model import Model
from kinbridge.settings import include_folders


def clean(connection: duckdb.DuckDBPyConnection, records: pa.Table | duckdb.DuckDBPyRelation, model: Model) -> int:
    """Make the table `cleaned` of `connection` from `records` and return its number of rows.

    The cleaned rows are numbered by (source, source_person_id), so the order of the input does not matter.
    """
    if isinstance(records, duckdb.DuckDBPyRelation):
        # A relation belongs to its own connection; it crosses over as Arrow.
        records = records.to_arrow_table()
    connection.register("given_record", records)
    given = set(records.column_names)
    columns = [
        f"{name if name in given else 'NULL'}::{'DATE' if name == 'birth_date' else 'VARCHAR'} AS {name}"
        for name in INPUT_COLUMNS
    ]
    # Empty text is "not known", whatever the column.
    blanks = [name if name == "birth_date" else f"nullif(trim({name}), '') AS {name}" for name in INPUT_COLUMNS]
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW source_record AS SELECT {', '.join(blanks)}"
        f" FROM (SELECT {', '.join(columns)} FROM given_record)"
    )
    _register_words(connection, model)
    connection.execute("SET VARIABLE shared_at_most = " + str(int(model.limits["ssn_birth_dates"])))
    connection.execute(resources.files(__package__).joinpath("clean.sql").read_text(encoding="utf-8"))
    [(count,)] = connection.execute("SELECT count(*) FROM cleaned").fetchall()
    connection.unregister("given_record")
    return int(count)


def _register_words(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    placeholders = [(element, value) for element, values in model.placeholders.items() for value in values]
    tables = {
        "placeholder": (("element", "value"), placeholders),
        "nickname": (("nickname", "name"), word_rows("nicknames.csv")),
        "street_word": (("word", "short"), word_rows("street_words.csv")),
    }
    for name, (columns, rows) in tables.items():
        arrays = [pa.array([row[index] for row in rows], pa.string()) for index in range(len(columns))]
        connection.register(name, pa.table(arrays, names=list(columns)))


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
