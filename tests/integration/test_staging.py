"""A file through COPY into Postgres and back: what the partner wrote, or a word that it is not."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from psycopg2.errors import QueryCanceled
from tests.support.workbooks import text as text_cell
from tests.support.workbooks import xlsx
from tests.unit.format.test_delimited import NASTY

from kinbridge.contract.model import Column, Dialect, Feed, Mark
from kinbridge.errors import KinbridgeError
from kinbridge.format.record_lines import MOST_BROKEN
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import Staged, stage
from kinbridge.staging.stage import _Stream as Stream

AS_OF = date(2026, 6, 30)
CELLS = [[text_cell("id"), text_cell("a")], [text_cell("1"), text_cell("007")], [text_cell("2"), "", text_cell("x")]]
WORKBOOK = xlsx(("S", CELLS))


def feed_of(*columns: Column, key: bool = True) -> Feed:
    chosen = tuple(columns) if not key else (Column("id", "id", "string", "Key.", "internal", key_position=1), *columns)
    return Feed("atlas/rows_v1", "1.0.0", "Rows", Path("x"), chosen, Dialect("x"), 0.05, None)


def text(name: str) -> Column:
    return Column(name, name, "string", "A column.", "internal")


def staged(pipeline: Any, path: Path, feed: Feed) -> tuple[Staged, list[tuple[Any, ...]]]:
    with pipeline.cursor() as cursor:
        result = stage(cursor, path, feed, feed.columns, 7)
        cursor.execute(f"SELECT * FROM {Landing(feed, feed.columns, 7).table} ORDER BY line_no")
        return result, cursor.fetchall()


def test_every_nasty_text_comes_back_as_it_was_written(pipeline: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    cells = [cell for cell in NASTY if "\0" not in cell]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([["id", "a"], *([str(n), cell] for n, cell in enumerate(cells))])
    result, rows = staged(pipeline, path, feed_of(text("a")))
    assert result == Staged(rows=len(cells))
    assert [(row[1], row[3]) for row in rows] == [("whole", cell or None) for cell in cells]


def test_a_feed_of_a_single_column(pipeline: Any, tmp_path: Path) -> None:
    """`\\.` alone on a line ends a COPY from standard input in older servers; an empty line is easily lost."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b'a\n\\.\n"x\n\\.\ny"\n""\n\\N\nlast\n')
    result, rows = staged(pipeline, path, feed_of(text("a"), key=False))
    assert result.rows == 5
    assert [(line, value) for line, _, value in rows] == [
        (2, "\\."),
        (3, "x\n\\.\ny"),
        (6, None),
        (7, "\\N"),
        (8, "last"),
    ]


def test_spoilt_rows_stand_in_the_table_with_what_is_wrong_with_them(pipeline: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,a\n1,M\xfcller\n2\n3,x,y\n4,a\0b\n5,ok\n")
    result, rows = staged(pipeline, path, feed_of(text("a")))
    shapes = [row[1] for row in rows]
    assert (result.rows, shapes) == (5, ["undecodable", "ragged", "ragged", "undecodable", "whole"])


def test_a_file_that_breaks_off_leaves_an_empty_table_and_says_where(pipeline: Any, tmp_path: Path) -> None:
    """Whole chunks have been sent by then; none of their rows may stay."""
    path = tmp_path / "rows.csv"
    rows = "".join(f"{n},x\n" for n in range(45_000))
    path.write_text("id,a\n" + rows + '45000,"bro"ken\n' * (MOST_BROKEN + 1), encoding="utf-8")
    result, rows = staged(pipeline, path, feed_of(text("a")))
    assert rows == []
    line = 45_002 + MOST_BROKEN
    assert result == Staged(rows=0, unreadable_line=line, unreadable_why="the quoting is broken")
    with pipeline.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {Landing(feed_of(text('a')), feed_of(text('a')).columns, 7).view}")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        (Dialect("x", format="ndjson"), b'{"id": "1", "a": "007"}\n{"id": "2", "a": {}}\n'),
        (Dialect("x", format="json", records="$"), b'[{"id": "1", "a": "007"}, {"id": "2", "a": [1]}]'),
        (Dialect("x", format="xml", records="r"), b"<rs><r><id>1</id><a>007</a></r><r><id>2</id><a><b/></a></r></rs>"),
        (Dialect("x", format="excel"), WORKBOOK),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_other_formats_stand_in_the_table_as_delimited_text_does(
    pipeline: Any, tmp_path: Path, dialect: Dialect, content: bytes, packed: bool
) -> None:
    path = tmp_path / "rows.delivery"
    path.write_bytes(gzip.compress(content) if packed else content)
    feed = replace(feed_of(text("a")), dialect=dialect)
    result, rows = staged(pipeline, path, feed)
    assert result == Staged(rows=2)
    assert [row[1:] for row in rows] == [("whole", "1", "007"), ("ragged", "2", None)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_trailer_that_counts_other_than_we_do_leaves_an_empty_table(pipeline: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.delivery"
    path.write_bytes(gzip.compress(b"".join(b"%06d x\n" % n for n in range(20_000)) + b"END 20001\n"))
    a = replace(text("a"), position=(8, 1))
    identifier = Column("id", "id", "string", "Key.", "internal", key_position=1, position=(1, 6))
    dialect = Dialect("x", format="fixed_width", trailer_record=Mark("END", (5, 5)))
    feed = replace(feed_of(identifier, a, key=False), dialect=dialect)
    result, rows = staged(pipeline, path, feed)
    assert rows == []
    why = "the trailer record counts 20001 records, the file has 20000"
    assert result == Staged(rows=0, unreadable_line=20_001, unreadable_why=why)


def test_an_error_of_ours_in_the_middle_of_a_copy_is_no_unreadable_file(pipeline: Any) -> None:
    """psycopg2 reports whatever the reader raises as a cancelled query; only `Unreadable` is taken for the file's."""

    def chunks() -> Any:
        yield b"1\r\n"
        raise RuntimeError("a mistake of ours")

    with pipeline.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (n int)")
        stream = Stream(chunks())
        with pytest.raises(QueryCanceled):
            cursor.copy_expert("COPY t FROM STDIN WITH (FORMAT csv)", stream)
        assert stream.unreadable is None


def test_a_lost_row_is_noticed(pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a server that stops at `\\.`: here a COPY that leaves rows out."""
    path = tmp_path / "rows.csv"
    path.write_text("id,a\n1,x\n2,y\n", encoding="utf-8")
    copy = Landing.copy
    monkeypatch.setattr(Landing, "copy", lambda self: copy(self) + " WHERE line_no < 3")
    with pytest.raises(KinbridgeError, match="KB-D52") as caught:
        staged(pipeline, path, feed_of(text("a")))
    assert (caught.value.facts["rows"], caught.value.facts["copied"]) == (2, 1)


def test_a_landed_file_that_is_gone(pipeline: Any, tmp_path: Path) -> None:
    with pytest.raises(KinbridgeError, match="KB-D50"):
        staged(pipeline, tmp_path / "gone.csv", feed_of(text("a")))


def test_staging_again_begins_anew(pipeline: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,a\n1,x\n1,x\n", encoding="utf-8")
    first = staged(pipeline, path, feed_of(text("a")))
    assert staged(pipeline, path, feed_of(text("a"))) == first
    assert first[0].repeats == 1


def test_repeats_are_whole_rows_equal_in_every_column_that_is_read(pipeline: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('id,a,b\n1,x,\n1,x,""\n1,y,\n,x,\n,x,\n2,x,\n2, x,\n3\n3\n', encoding="utf-8")
    feed = feed_of(text("a"), text("b"))
    assert staged(pipeline, path, feed)[0].repeats == 2
    with pipeline.cursor() as cursor:
        cursor.execute(f"SELECT line_no FROM {Landing(feed, feed.columns, 7).repeat} ORDER BY 1")
        assert [line for (line,) in cursor.fetchall()] == [3, 6]
        # The second column alone is read: what differs elsewhere is equal to us.
        assert stage(cursor, path, feed, (feed.columns[1],), 7).repeats == 4
