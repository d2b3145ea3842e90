"""Code lists and the common schema are read whole or refused with file and line."""

import csv
import re
from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.settings import home, include_folders
from kinbridge.standards import code_set, common_schema, read_code_csv
from kinbridge.standards.common_schema import read_common_schema

FEEDS = sorted((include_folders()[0] / "partners").glob("*/feeds/*"))
# Element columns of crosswalks whose standard code set has another name.
CODE_SETS = {"referred_to_program": "program", "program_detail": "medicaid_eligibility_group"}


def test_code_set_by_name() -> None:
    found = code_set("sex")
    assert found.codes == ("Female", "Male", "NotSelected")
    assert found.path.name == "sex.csv"


def test_unknown_code_set() -> None:
    with pytest.raises(KinbridgeError) as caught:
        code_set("colour")
    assert caught.value.code == "KB-C28"


def test_a_site_adds_code_sets_but_does_not_replace_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "standards" / "code_sets"
    folder.mkdir(parents=True)
    for name in ("sex", "shoe_size"):
        (folder / f"{name}.csv").write_text("code,note\nZ,\n")
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    assert code_set("shoe_size").codes == ("Z",)
    assert "Z" not in code_set("sex").codes


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, 1),
        (b"", 1),
        (b"kode,label,note\n", 1),
        (b"code,note,label\n", 1),
        (b"code,label,note\nA,x,\nB,y\n", 3),
        (b"code,label,note\n,x,\n", 2),
        (b"code,label,note\nA,x,\nA,y,\n", 3),
        (b'code,label,note\nA,"x\ny",\nC,z,\nB,z,\n', 5),
        (b"code,label,note\n\xff,x,\n", 1),
    ],
    ids=["missing", "empty", "no code", "note not last", "ragged", "empty code", "repeat", "unsorted", "latin"],
)
def test_bad_code_list(tmp_path: Path, content: bytes | None, line: int) -> None:
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KinbridgeError) as caught:
        read_code_csv(path)
    assert (caught.value.code, caught.value.facts["line"]) == ("KB-C29", line)


def test_every_code_set_of_ours_is_sound() -> None:
    for path in (include_folders()[0] / "standards" / "code_sets").glob("*.csv"):
        assert read_code_csv(path).codes, path


@pytest.mark.parametrize("feed", FEEDS, ids=lambda f: f"{f.parent.parent.name}/{f.name}")
def test_crosswalks_give_standard_codes_only(feed: Path) -> None:
    for path in sorted((feed / "codes").glob("*.csv")):
        read_code_csv(path)
        with path.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                for column, value in row.items():
                    if column not in {"code", "note"} and value:
                        assert value in code_set(CODE_SETS.get(column, column)).codes, (path, row["code"])


def test_common_schema_is_the_shape_of_the_record_tables() -> None:
    migrations = sorted((home() / "plugins" / "kinbridge" / "warehouse" / "migrations").glob("*.sql"))
    text = "".join(migration.read_text(encoding="utf-8") for migration in migrations)
    tables = re.findall(r"^CREATE TABLE record\.(\w+) \(\n(.*?)^\);", text, re.M | re.S)
    expected = {
        name: [
            (column, type_, not null)
            for column, type_, null in re.findall(r"^    ([a-z_]+) ([a-z]+)( NOT NULL)?,?$", body, re.M)
        ]
        for name, body in tables
        if name in common_schema()
    }
    assert expected == {
        entity: [(e.column, e.type, e.nullable) for e in elements] for entity, elements in common_schema().items()
    }


def test_keys_and_names_of_elements() -> None:
    schema = common_schema()
    assert [e.column for e in schema["person_relationship"] if e.key] == [
        "source_person_id",
        "related_source_person_id",
    ]
    birth_date = next(e for e in schema["person"] if e.column == "birth_date")
    assert (birth_date.name, birth_date.ceds_global_id, birth_date.identifying) == (
        "person.birth_date",
        "000033",
        "quasi",
    )


@pytest.mark.parametrize(
    "row",
    [
        "person,a,text,PK,no,,none",
        "person,a,varchar,PK,no,,none,m",
        "person,a,text,FK,no,,none,m",
        "person,a,text,,maybe,,none,m",
        "person,a,text,,no,,some,m",
        "person,a,text,,no,,none, ",
        "person,b,text,,no,,none,m",
    ],
)
def test_bad_common_schema(tmp_path: Path, row: str) -> None:
    path = tmp_path / "common_schema.csv"
    header = "entity,column,type,key,nullable,ceds_global_id,identifying,meaning"
    path.write_text(f"{header}\nperson,b,text,PK,no,,none,m\n{row}\n")
    with pytest.raises(KinbridgeError) as caught:
        read_common_schema(path)
    assert (caught.value.code, caught.value.facts["line"]) == ("KB-C29", 3)
