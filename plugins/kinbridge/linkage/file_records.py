"""The rows of CSV files as records for linkage: every value read as text, so that no leading zero is lost.

Input: one `FileSource`; output: a table of `columns.INPUT_COLUMNS`, one row for each row of the file. Encoding (a byte
order mark, UTF-8 or Windows-1252) and delimiter are found out; a file that does not hold together is refused whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.columnar import texts
from kinbridge.linkage.file_sources import FileSource, GivenColumn

DELIMITERS = (",", "\t", ";", "|")
PIECE = 16 * 1024 * 1024
# What programs write for "no value". "Nan" and "None" with capitals can be names; the model knows the latter.
NO_VALUES = ["", "nan", "NaN", "NaT", "<NA>", "N/A", "n/a", "#N/A", "null", "NULL", "\\N"]
# Formats tried where none is declared; of two that fit equally the earlier is taken.
DATE_FORMATS = (
    "%Y-%m-%d",
    "%m/%d/%Y",
    "%Y%m%d",
    "%m-%d-%Y",
    "%m%d%Y",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d%m%Y",
    "%Y-%m-%d %H:%M:%S",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%b %d, %Y",
)
# A format that reads fewer of the values than this is not theirs.
READ_AT_LEAST = 0.5
# Letters that optical readers and hands put in place of digits.
LOOKALIKES = ("OoDQIil|!ZzEASsGbTBgq", "000011111223455667899")
PARTS = {"%Y": r"(?P<y>\d{4})", "%m": r"(?P<m>\d{1,2})", "%d": r"(?P<d>\d{1,2})"}


def read_records(source: FileSource, config: Path) -> pa.Table:
    """The rows of `source`; `config` is the YAML to name in messages.

    Raises `KinbridgeError` KB-K03 (file not readable), KB-K04 (no such column), KB-K05 (ids) and KB-K06 (dates).
    """
    table = _read_csv(source.file)
    for given in [GivenColumn((source.id,), source.id_line), *source.columns.values()]:
        for name in given.theirs:
            if name.strip() not in table.column_names:
                raise KinbridgeError("KB-K04", path=config, line=given.line, file=source.file.name, column=name)
    ids = table.column(source.id.strip())
    unusable = ids.null_count + len(ids) - ids.null_count - len(pc.unique(ids.drop_null()))
    if unusable:
        raise KinbridgeError("KB-K05", path=config, line=source.id_line, column=source.id, count=unusable)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "source": texts([source.name] * len(ids)),
        "source_person_id": ids,
    }
    for ours, given in source.columns.items():
        values = _joined(table, given.theirs)
        if ours == "birth_date":
            columns["birth_date"], columns["birth_text"] = _dates(values, given, source, config)
        else:
            columns[ours] = values
    return pa.table(columns)


def read_columns(source: FileSource, names: Sequence[str]) -> pa.Table:
    """source, row_id and the columns `names` of a file, empty where it does not have one.

    Raises `KinbridgeError` KB-K03 when the file is not readable.
    """
    table = _read_csv(source.file)
    rows = len(table)
    return pa.table(
        {
            "source": pa.array([source.name], pa.string()).take(pa.array([0] * rows, pa.int8())),
            "row_id": table.column(source.id.strip()),
            **{
                name: table.column(name) if name in table.column_names else pa.nulls(rows, pa.string())
                for name in names
            },
        }
    )


def _read_csv(path: Path) -> pa.Table:
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            header = file.readline()
        delimiter = max(DELIMITERS, key=header.count)
        table = pyarrow.csv.read_csv(
            path,
            # Arrow takes the mark of UTF-8 away by itself.
            read_options=pyarrow.csv.ReadOptions(
                encoding="utf8" if encoding.startswith("utf-8") else encoding, block_size=PIECE
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=pa.schema([(name, pa.string()) for name in _names(header, delimiter)]),
                null_values=NO_VALUES,
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError, OSError):
        raise KinbridgeError("KB-K03", path=path, problem="it does not hold together as CSV, or it is empty") from None
    names = [name.strip() for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KinbridgeError("KB-K03", path=path, problem=f"the column {twice[0]!r} stands twice in its first line")
    return table.rename_columns(names).cast(pa.schema([(name, pa.string()) for name in names]))


def _names(header: str, delimiter: str) -> list[str]:
    names = pyarrow.csv.read_csv(
        pa.BufferReader(header.lstrip("\ufeff").rstrip("\r\n").encode() + b"\n"),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
    ).column_names
    return list(dict.fromkeys(names))


def _encoding(path: Path) -> str:
    """The encoding of a file: by its mark, or the first of UTF-8 and Windows-1252 that reads all of it."""
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        for name in ("utf-8-sig", "cp1252"):
            file.seek(0)
            decoder = codecs.getincrementaldecoder(name)()
            try:
                while piece := file.read(PIECE):
                    if b"\0" in piece:
                        break
                    decoder.decode(piece)
                else:
                    decoder.decode(b"", final=True)
                    return name
            except UnicodeDecodeError:
                continue
    raise KinbridgeError("KB-K03", path=path, problem="it is no text in UTF-8, UTF-16 or Windows-1252")


def _joined(table: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    parts = [pc.utf8_trim_whitespace(table.column(name.strip())) for name in names]
    # A number that passed through a float has ".0" behind it.
    parts = [pc.replace_substring_regex(part, r"^(\d+)\.0$", r"\1") for part in parts]
    if len(parts) == 1:
        return parts[0]
    # With `null_handling="skip"` Arrow 26 drops the rows where every part is empty.
    blanks = pa.chunked_array([texts([" "] * table.num_rows)])
    return pc.utf8_trim_whitespace(
        pc.binary_join_element_wise(*parts, blanks, null_handling="replace", null_replacement="")
    )


def _dates(
    values: pa.ChunkedArray, given: GivenColumn, source: FileSource, config: Path
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The dates, and the eight digits (year, month, day) of the other values that are almost one."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET temp_directory = ''")
        connection.register("given", pa.table({"value": values}))
        connection.execute(
            "CREATE TABLE value AS SELECT row_number() OVER () AS row, nullif(value, '') AS v FROM given"
        )
        filled = connection.execute("SELECT count(v) FROM value").fetchall()[0][0]
        tried = [given.format] if given.format else list(DATE_FORMATS)
        try:
            counts = connection.execute(
                f"SELECT {', '.join('count(try_strptime(v, ?))' for _ in tried)} FROM value", tried
            ).fetchall()[0]
        except duckdb.Error:
            counts = (0,)
        best = max(range(len(tried)), key=lambda index: counts[index])
        form = tried[best] or ""
        if counts[best] < READ_AT_LEAST * filled:
            raise KinbridgeError(
                "KB-K06",
                path=config,
                line=given.line,
                column=" + ".join(given.theirs),
                source=source.name,
                read=counts[best],
                count=filled,
                format=form if given.format else "any known format",
            )
        found = connection.sql(
            f"""
            SELECT
                day,
                CASE WHEN day IS NULL THEN {_almost(form)} END AS almost
            FROM (SELECT row, v, try_strptime(v, ?)::DATE AS day FROM value)
            ORDER BY row
            """,
            params=[form],
        ).to_arrow_table()
    return found.column("day"), found.column("almost")


def _almost(form: str) -> str:
    """SQL for the digits of a value `v` that the format reads as numbers, if not as a day of the calendar."""
    pieces = re.split(r"(%.)", form)
    if not set(PARTS) <= set(pieces) or any(piece.startswith("%") and piece not in PARTS for piece in pieces):
        return "NULL::VARCHAR"
    tight = all(not piece or piece in PARTS for piece in pieces)
    pattern = "".join(PARTS.get(piece, re.escape(piece)) for piece in pieces)
    if tight:
        pattern = pattern.replace("{1,2}", "{2}")
    order = [piece for piece in pieces if piece in PARTS]
    pattern = re.sub(r"\(\?P<.>", "(", pattern).replace("'", "''")
    seen = f"translate(trim(v), '{LOOKALIKES[0]}', '{LOOKALIKES[1]}')"
    parts = [
        f"lpad(regexp_extract({seen}, '^{pattern}$', {order.index(part) + 1}), {width}, '0')"
        for part, width in (("%Y", 4), ("%m", 2), ("%d", 2))
    ]
    return f"CASE WHEN regexp_full_match({seen}, '{pattern}') THEN {' || '.join(parts)} END"
