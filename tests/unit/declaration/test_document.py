"""YAML is read with the line of every value; what cannot be read is refused with the line, never with a traceback."""

from pathlib import Path

import pytest

from kinbridge.declaration.document import DocumentError, read_document

SOUND = """\
id: one
list:
  - a: 1
    b: 2026-01-31
  -   c: 'x'
map: {d: [1, 2]}
base: &base {q: 1}
merged:
  <<: *base
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.yaml"


def test_values_and_their_lines(path: Path) -> None:
    path.write_text(SOUND, encoding="utf-8")
    document = read_document(path)
    assert document.data["list"][1] == {"c": "x"}
    assert document.data["merged"] == {"q": 1}
    lines = {("id",): 1, ("list",): 2, ("list", 0): 3, ("list", 0, "b"): 4, ("list", 1, "c"): 5, ("map", "d", 1): 6}
    assert {where: document.line(*where) for where in lines} == lines


def test_what_only_one_of_the_two_loaders_takes_is_read(path: Path) -> None:
    path.write_text("a:\n  - {b: 1, c:}\n", encoding="utf-8")
    document = read_document(path)
    assert document.data == {"a": [{"b": 1, "c": None}]}
    assert document.line("a", 0, "c") == 2


def test_a_value_that_is_not_there_stands_where_its_holder_stands(path: Path) -> None:
    path.write_text(SOUND, encoding="utf-8")
    document = read_document(path)
    assert document.line("list", 0, "z", "y") == 3
    assert document.line("nothing") == 1
    assert str(document.problem("KB-C20", "no z", "list", 0, "z")) == f"{path}:3: KB-C20 no z"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"", 1, "expected a mapping"),
        (b"- a\n", 1, "expected a mapping"),
        (b"a: 1\nb: [1\n", 3, "not readable"),
        (b"a: 1\nb: 2\na: 3\n", 3, "'a' stands twice"),
        (b"a:\n  - b: 1\n    b: 2\n", 3, "'b' stands twice"),
        (b"a: 1\nday: 2026-02-30\n", 2, "out of range"),
        (b"a: 1\nb: !secret x\n", 2, "kind !secret"),
        (b"a: 1\nb: !secret [x]\n", 2, "!secret"),
        (b"a: 1\n{b: c}: 1\n", 2, "a word"),
        (b"a: \xff\n", 1, "UTF-8"),
        (b"a: 'x\n", 2, "not readable"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(path: Path, text: bytes, line: int, words: str) -> None:
    path.write_bytes(text)
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    problem = caught.value.problem
    assert (problem.code, problem.path, problem.line) == ("KB-C01", path, line), str(problem)
    assert words in problem.text
