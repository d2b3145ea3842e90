"""JSON documents and lines of JSON: values by path, as written; what is built otherwise is ragged or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.readers import Rows, columns_at, delivered, rows_of, text_column

from kinbridge.contract.model import Dialect
from kinbridge.format import json_document, table
from kinbridge.format.table import Unreadable

LINES, DOCUMENT = Dialect("x", format="ndjson"), Dialect("x", format="json", records="$")
PERSON = {
    "id": "007",
    "name": [{"use": "old", "family": "Roe"}, {"use": "official", "family": 'Doe, J. "Q"', "given": ["Ann", "B."]}],
    "identifier": [{"system": "http://a.b/x", "value": "1"}, {"system": "http://c", "type": {"code": "MR"}}],
    "active": True,
    "dead": None,
    "address": {"city": "Zoë\u2028👩‍👧"},
}
PATHS = {
    "id": "id",
    "family": "$.name[0].family",
    "official": "name[use=official].family",
    "given": "name[1].given[1]",
    "tenth": "name[9].family",
    "system": "identifier[system=http://a.b/x].value",
    "typed": "identifier[type.code=MR].system",
    "active": "active",
    "dead": "dead",
    "city": "address.city",
    "nothing": "a.b.c",
}
VALUES = ["007", "Roe", 'Doe, J. "Q"', "B.", "", "1", "http://c", "true", "", "Zoë\u2028👩‍👧", ""]


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "rows.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(tmp_path: Path, content: str | bytes, **paths: str) -> Rows:
    return rows_of(written(tmp_path, content), LINES, columns_at(**(paths or {"a": "a"})))


def document(tmp_path: Path, content: str | bytes, records: str = "$", **paths: str) -> Rows:
    dialect = Dialect("x", format="json", records=records)
    return rows_of(written(tmp_path, content), dialect, columns_at(**(paths or {"a": "a"})))


@pytest.mark.parametrize("ascii_only", [True, False])
def test_values_are_found_by_their_paths(tmp_path: Path, ascii_only: bool) -> None:
    text = json.dumps(PERSON, ensure_ascii=ascii_only)
    assert lines(tmp_path, text + "\r\n\n" + text, **PATHS) == [(1, "whole", VALUES), (3, "whole", VALUES)]
    whole = json.dumps({"a": [1], "data": {"people": [PERSON, PERSON]}}, ensure_ascii=ascii_only, indent=1)
    assert document(tmp_path, whole, "$.data.people", **PATHS) == [(1, "whole", VALUES), (2, "whole", VALUES)]


@pytest.mark.parametrize(
    "number", ["1.50", "0.1", "-7", "12345678901234567890123", "41800000.01", "1e400", "0.00000001"]
)
def test_numbers_keep_their_digits(tmp_path: Path, number: str) -> None:
    assert lines(tmp_path, f'{{"a": {number}}}') == [(1, "whole", [number])]
    [(_, shape, [value])] = document(tmp_path, f'[{{"a": {number}}}]')
    assert (shape, value) == ("whole", {"1e400": "1E+400"}.get(number, number))


@pytest.mark.parametrize(
    "record",
    [
        '{"a": {"b": 1}}',
        '{"a": [1]}',
        '{"a": 1, "a": 2}',
        '{"x": {"y": 1, "y": 1}, "a": 1}',
        "[1]",
        "7",
        "null",
        '"a"',
    ],
)
def test_what_is_built_otherwise_is_ragged(tmp_path: Path, record: str) -> None:
    good = '{"a": "g"}'
    expected = [("whole", ["g"]), ("ragged", [""]), ("whole", ["g"])]
    assert [(s, v) for _, s, v in lines(tmp_path, f"{good}\n{record}\n{good}\n")] == expected
    assert [(s, v) for _, s, v in document(tmp_path, f"[{good},{record},{good}]")] == expected


@pytest.mark.parametrize("path", ["a.b", "a[0]", "a[b=c].d"])
def test_a_path_through_something_else_is_ragged(tmp_path: Path, path: str) -> None:
    assert lines(tmp_path, '{"a": "x"}', p=path) == [(1, "ragged", [""])]


@pytest.mark.parametrize(
    "line", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1', "{'a': 1}", '{"a": 01}', "[" * 100_000, "x"]
)
def test_a_line_that_is_no_json_is_ragged_and_the_others_are_read(tmp_path: Path, line: str) -> None:
    assert lines(tmp_path, f'{line}\n{{"a": "g"}}') == [(1, "ragged", [""]), (2, "whole", ["g"])]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("a,b\n1,2\n", "no line of the file is a JSON object"),
        ('[{"a": 1}]', "no line of the file is a JSON object"),
        ('{\n"a": 1\n}', "no line of the file is a JSON object"),
    ],
)
def test_other_files_are_no_lines_of_json(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        lines(tmp_path, content)
    assert why in caught.value.why


def test_records_of_something_else_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, '{"b": 1}\n{"b": 2}')
    with pytest.raises(Unreadable, match="no record has any of the contract's columns"):
        rows_of(path, LINES, (text_column("id", key_position=1), text_column("a")))
    assert rows_of(path, LINES, (text_column("a"),)) == [(1, "whole", [""]), (2, "whole", [""])]


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ('[{"a": 1}, {"a": 2', 2, "not JSON, or is cut off"),
        ('[{"a": NaN}]', 1, "not JSON"),
        ('[{"a": 1}] x', 2, "not JSON"),
        ('[{"a": 1}][{"a": 1}]', 2, "not JSON"),
        ('{"a": 1}', 1, "no list at $"),
        ('{"b": [{"a": 1}]}', 1, "no list at $"),
        ("", 1, "not JSON"),
        ("[" * 100_000, 1, "not JSON"),
        ('[{"a": ' + "[" * 200 + "]" * 200 + "}]", 1, "not JSON"),
        (b'[{"a": "\xff"}]', 1, "not utf-8"),
        ('[{"a": "\\ud83d" }             ]', 1, "not utf-8"),
        ('[{"a": "\\\\\\ude00 "}]', 1, "not utf-8"),
        ('[{"a": ' + "1" * 5000 + "}]", 1, "not JSON"),
    ],
)
def test_a_document_that_is_not_json_to_its_end_is_refused(
    tmp_path: Path, content: str | bytes, line: int, why: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        document(tmp_path, content)
    assert (caught.value.line, why in caught.value.why) == (line, True), caught.value


def test_a_list_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="more than one"):
        document(tmp_path, '{"p": [{"a": 1}], "p": [{"a": 2}]}', "$.p")


def test_halves_and_pairs_of_escapes(tmp_path: Path) -> None:
    """A pair is one character wherever the parser's buffer ends; a backslash before makes it no escape."""
    for shift in range(65_530, 65_545):
        text = '[{"a": "' + "x" * shift + '\\ud83d\\ude00 \\\\ud83d"}]'
        assert document(tmp_path, text) == [(1, "whole", ["x" * shift + "😀 \\ud83d"])]
    assert lines(tmp_path, '{"a": "\\ud83d"}') == [(1, "undecodable", ["?"])]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    for dialect, text in ((LINES, '{"a": "é"}\n'), (DOCUMENT, '[{"a": "é"}]')):
        chosen = Dialect("x", format=dialect.format, records=dialect.records, encoding=encoding)
        assert rows_of(written(tmp_path, text.encode(encoding)), chosen, columns_at(a="a")) == [(1, "whole", ["é"])]
    assert document(tmp_path, '[{"a": "é"}]'.encode("utf-8-sig")) == [(1, "whole", ["é"])]


def test_a_column_that_no_record_has_is_missing(tmp_path: Path) -> None:
    columns = columns_at(a="a", b="b", c="c")
    file, _ = delivered(written(tmp_path, '{"a": 1, "b": null}\n{"a": 1, "b": 2}\n'), LINES, columns)
    assert file.header is not None
    assert (file.header.missing_required, file.header.missing_optional) == ((), ("c",))


def test_a_value_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "VALUE_BYTES", 200_000)
    with pytest.raises(Unreadable, match="at this record"):
        document(tmp_path, '[{"a": "' + "x" * 400_000 + '"}]')
    assert len(document(tmp_path, "[" + ",".join(['{"a": "' + "x" * 1000 + '"}'] * 400) + "]")) == 400


def test_memory_holds_a_batch_and_not_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "BATCH_CHARACTERS", 5_000)
    path = written(tmp_path, json.dumps([{"a": "x" * 100} for _ in range(2_000)]))
    reader = json_document.JsonDocument(path, DOCUMENT, columns_at(a="a"), columns_at(a="a"))
    sizes = [len(chunk) for chunk in reader.chunks()]
    assert max(sizes) < 10_000
    assert sum(sizes) > 200_000


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.fixed_dictionaries({"id": st.just("x"), "a": values, "b": values}), min_size=1, max_size=4))
def test_both_kinds_read_the_same(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    paths = {"id": "id", "a": "a", "b": "b[0].a", "c": "b.a"}
    by_lines = lines(tmp_path, "\n".join(json.dumps(r) for r in records), **paths)
    assert document(tmp_path, json.dumps(records), **paths) == by_lines
    for (_, shape, row), record in zip(by_lines, records, strict=True):
        if not isinstance(record["a"], dict | list):
            said = record["a"]
            text = "" if said is None else str(said).lower() if isinstance(said, bool) else str(said)
            assert row[1] == text
        else:
            assert shape == "ragged"
