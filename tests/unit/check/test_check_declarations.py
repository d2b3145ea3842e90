"""Every kind of mistake in a contract, a transform, a crosswalk or a profile is found: code, file and the very line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites
from kinbridge.contract.odcs import feeds
from kinbridge.declaration.document import Problem
from kinbridge.errors import KinbridgeError

VISITS, PEOPLE = "atlas/visits_v1", "atlas/people_v1"
COLUMNS = (
    column("visit_id", "string", "required: true", "primaryKey: true"),
    column("person_id", "string", "physicalName: PERSON", "required: true"),
    column("made", "date", "logicalTypeOptions: { format: MM/dd/yyyy, minimum: '2000-01-01', maximum: asOf }"),
    column("entered", "date", "logicalTypeOptions: { format: yyyy-MM-dd }"),
    column("minutes", "integer", "logicalTypeOptions: { minimum: 1, maximum: 480 }"),
    column("zip", "string", "logicalTypeOptions: { pattern: '^[0-9]{5}$' }"),
    column(
        "mode",
        "string",
        "customProperties:",
        "  - { property: codeSet, value: codes/mode.csv }",
        "  - { property: severity, value: { code_set: critical } }",
        "  - { property: placeholders, value: ['UNKNOWN'] }",
    ),
    column("secret"),
)
TABLE = """\
    customProperties:
      - property: dateOrder
        value:
          - { earlier: made, later: entered }
      - property: references
        value:
          - { feed: atlas/people_v1, columns: { person_id: id } }
    quality:
      - { id: rows, type: library, metric: rowCount, mustBeBetween: [1, 100] }
"""
TRANSFORM = """\
-- Visits.

-- target: service_event
-- grain: one row per visit
SELECT
    source.line_no,
    source.visit_id AS source_service_event_id,
    source.person_id AS source_person_id,
    'atlas' AS program,
    source.made AS service_date,
    codes_mode.delivery_method
FROM source
LEFT JOIN codes_mode
    ON source.mode = codes_mode.code;
-- The person too.
-- target: person
SELECT DISTINCT ON (person_id)
    line_no,
    person_id AS source_person_id
FROM source
ORDER BY person_id, line_no;
"""
MODES = "code,delivery_method,note\nH,InPerson,\nP,Telephone,\nV,Virtual,\n"
CONTRACT, SQL, CODES, PROFILE = "contract.odcs.yaml", "transform.sql", "codes/mode.csv", "../../profile.yaml"


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Path]:
    """The folder of a sound feed whose suite is current."""
    with site_of(tmp_path) as include:
        write_feed(include, PEOPLE, contract(PEOPLE, column("id", "string", "primaryKey: true")), PEOPLE_SQL)
        folder = write_feed(include, VISITS, contract(VISITS, *COLUMNS, table=TABLE), TRANSFORM, {"mode.csv": MODES})
        allowed = ["visit_id", "person_id", "made", "entered", "minutes", "zip", "mode"]
        write_agreement(include, "atlas", {VISITS: allowed, PEOPLE: ["id"]})
        compile_suites()
        yield folder


PEOPLE_SQL = "-- target: person\nSELECT line_no, id AS source_person_id FROM source;\n"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def line_of(path: Path, marker: str) -> int:
    """The last line that has the marker."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return max(n for n, line in enumerate(lines, 1) if marker in line)


def found_by(feed: Path) -> list[Problem]:
    """What check finds, but for the suite: a change of the contract makes it stale besides."""
    return [p for p in check() if p.code != "KB-C38"]


def test_sound_declarations_hold(feed: Path) -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("old", "new", "marker", "words"),
    [
        ("status: active", "owner: me\nstatus: active", "owner: me", "extra inputs"),
        ("status: active\n", "", "kind: DataContract", "no 'status'"),
        ("version: 1.0.0", "version:", "version:", "'version' is empty"),
        ("id: atlas.visits_v1", "id: atlas.visits_v2", "id: atlas", "does not match the folder"),
        ("  - name: rows", "  - { name: more, logicalType: object }\n  - name: rows", "schema:", "exactly one file"),
        ("name: secret", "name: Secret", "name: Secret", "not lower_case"),
        ("name: secret", "name: line_no", "name: line_no", "landing tables use"),
        ("name: secret", "name: made__typed", "name: made__typed", "landing tables use"),
        ("name: secret", "name: zip", "name: zip", "declared twice"),
        ("physicalName: PERSON", "physicalName: ZIP", "name: zip", "declared twice"),
        (
            "made\n        logicalType: date\n        classification: internal\n        description: A column.",
            "made\n        logicalType: date\n        classification: internal",
            "name: made",
            "no description",
        ),
        (
            "made\n        logicalType: date\n        classification: internal",
            "made\n        logicalType: date\n        classification: secret",
            "name: made",
            "classification",
        ),
        (
            "minutes\n        logicalType: integer",
            "minutes\n        logicalType: money",
            "name: minutes",
            "logicalType",
        ),
        ("zip\n        logicalType: string\n", "zip\n", "name: zip", "logicalType"),
        ("{ format: yyyy-MM-dd }", "{ format: yyyy-MM }", "name: entered", "needs logicalTypeOptions.format"),
        (
            "        logicalTypeOptions: { format: yyyy-MM-dd }\n",
            "",
            "name: entered",
            "needs logicalTypeOptions.format",
        ),
        ("{ format: yyyy-MM-dd }", "{ format: yyyy-MM-dd-dd }", "name: entered", "needs logicalTypeOptions.format"),
        ("'^[0-9]{5}$'", "'^[0-9{5}$'", "pattern:", "not a regular expression"),
        ("'^[0-9]{5}$'", "'^(?P<zip>[0-9]{5})$'", "pattern:", "Postgres does not know"),
        ("pattern: '^[0-9]{5}$'", "maxLength: 5", "maxLength", "not held against"),
        ("pattern: '^[0-9]{5}$'", "minimum: 5", "minimum: 5", "text has none"),
        ("minimum: '2000-01-01'", "minimum: '01/01/2000'", "01/01/2000", "must be a day"),
        ("maximum: 480", "maximum: asOf", "maximum: asOf }", "must be a whole number"),
        ("code_set: critical", "code_set: fatal", "code_set: fatal", "to critical or warning"),
        ("code_set: critical", "unique: warning", "unique: warning", "maps a kind of rule"),
        ("['UNKNOWN']", "[0]", "placeholders", "list of texts"),
        ("property: codeSet", "property: codeset", "codeset", "'codeSet' is"),
        ("value: codes/mode.csv", "value: codes/modes.csv", "codes/modes.csv", "no such list"),
        ("value: codes/mode.csv", "value: standard/modes", "standard/modes", "no such list"),
        ("later: entered", "later: minutes", "later: minutes", "no date column"),
        ("{ person_id: id }", "{ who: id }", "who: id", "no column"),
        ("{ person_id: id }", "{}", "columns: {}", "ours to theirs"),
        ("mustBeBetween: [1, 100]", "mustBe: 7", "metric: rowCount", "mustBeBetween"),
        ("metric: rowCount", "metric: nullValues", "nullValues", "only the metric rowCount"),
        ("        primaryKey: true\n", "", "- name: rows", "no column is a primaryKey"),
        ("maxBadRowShare: 0.5", "maxBadRowShare: 5", "maxBadRowShare: 5", "a share from 0 to 1"),
        ("  - property: intake\n    value: { maxBadRowShare: 0.5 }\n", "", "customProperties", "maxBadRowShare"),
        ("value: { filePattern:", "value: { nullValues: ['NA'], filePattern:", "nullValues", "as placeholders"),
        ("value: { filePattern:", "value: { delimiter: '||', filePattern:", "delimiter", "one character"),
        ("value: { filePattern:", "value: { encoding: utf-9, filePattern:", "encoding", "utf-9"),
        ("value: { filePattern:", "value: { format: dbase, filePattern:", "format: dbase", "not known"),
        ("value: { filePattern:", "value: { name:", "{ name:", "needs delivery.filePattern"),
    ],
)
def test_mistake_in_a_contract(feed: Path, old: str, new: str, marker: str, words: str) -> None:
    change(feed / CONTRACT, old, new)
    [problem] = found_by(feed)
    assert (problem.code, problem.path) == ("KB-C02", feed / CONTRACT)
    assert problem.line == line_of(feed / CONTRACT, marker), str(problem)
    assert words in problem.text


def test_broken_yaml(feed: Path) -> None:
    change(feed / CONTRACT, "status: active", "status: [active")
    assert [(p.code, p.path, p.line) for p in found_by(feed)] == [("KB-C01", feed / CONTRACT, 6)]


def test_name_that_stands_twice(feed: Path) -> None:
    change(feed / CONTRACT, "status: active", "status: active\nversion: 2.0.0")
    assert [(p.code, p.path, p.line) for p in found_by(feed)] == [("KB-C01", feed / CONTRACT, 6)]


def test_a_contract_with_a_mistake_is_not_also_called_missing_by_its_agreement(feed: Path) -> None:
    change(feed / CONTRACT, "maximum: 480", "maximum: many")
    assert [p.path for p in found_by(feed)] == [feed / CONTRACT]


def test_reading_feeds_names_the_first_mistake_of_a_contract(feed: Path) -> None:
    change(feed / CONTRACT, "maximum: 480", "maximum: many")
    with pytest.raises(KinbridgeError) as caught:
        feeds()
    assert caught.value.code == "KB-C02"
    assert caught.value.facts["line"] == line_of(feed / CONTRACT, "many")


def test_one_feed_declared_in_two_include_folders(feed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_feed(tmp_path / "more", PEOPLE, contract(PEOPLE, column("id", "string", "primaryKey: true")), PEOPLE_SQL)
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path / "more"))
    [problem] = check()
    assert (problem.code, "declared in" in problem.text) == ("KB-C02", True)
    with pytest.raises(KinbridgeError, match="KB-C02"):
        feeds()


@pytest.mark.parametrize(
    ("code", "change_of", "marker", "words"),
    [
        ("KB-C30", ("-- Visits.\n", "SELECT 1;\n"), "SELECT 1", "without a `-- target:` line"),
        ("KB-C30", ("-- target: person\n", "-- target: service_event\n"), "-- The person", "stands twice"),
        ("KB-C34", ("FROM source\nORDER", "FROM source; SELECT 2\nORDER"), "-- target: person", "one SELECT"),
        (
            "KB-C34",
            ("    line_no,\n    person_id AS source_person_id", "    *"),
            "-- target: person",
            "name every column",
        ),
        (
            "KB-C34",
            ("    line_no,\n", "    line_no line_no,\n    source.*,\n"),
            "-- target: person",
            "name every column",
        ),
        ("KB-C34", ("    ON source.mode = codes_mode.code", "    USING (code)"), "-- target: service", "join with ON"),
        (
            "KB-C34",
            ("SELECT DISTINCT ON (person_id)", "SELECT DISTINCT ON (person_id"),
            "FROM source",
            "not readable as SQL",
        ),
        ("KB-C34", ("FROM source\nORDER", "INTO TEMP x FROM source\nORDER"), "-- target: person", "one SELECT"),
        ("KB-C35", ("target: person", "target: persons"), "-- target: persons", "no table persons"),
        ("KB-C35", ("delivery_method\n", "delivery_method, 1 AS how\n"), "-- target: service", "no column how"),
        ("KB-C35", ("    'atlas' AS program,\n", ""), "-- target: service", "lacks program"),
        ("KB-C35", ("    line_no,\n", ""), "-- target: person", "lacks line_no"),
        (
            "KB-C35",
            ("    source.line_no,\n", "    source.line_no,\n    source.line_no,\n"),
            "-- target: service",
            "twice",
        ),
        ("KB-C36", ("source.made", "source.maid"), "source.maid", "no column maid"),
        (
            "KB-C36",
            ("codes_mode.delivery_method", "codes_mode.method AS delivery_method"),
            "codes_mode.method",
            "no column method",
        ),
        (
            "KB-C36",
            ("    source.person_id AS", "    person_id AS"),
            "    person_id AS source_person_id,",
            "which relation",
        ),
        ("KB-C36", ("FROM source\nORDER", "FROM record.person\nORDER"), "-- target: person", "reads record.person"),
        ("KB-C36", ("FROM source\nORDER", "FROM landing.source\nORDER"), "-- target: person", "reads landing.source"),
        (
            "KB-C37",
            ("    'atlas' AS program,", "    source.secret AS program,"),
            "source.secret",
            "no agreement covers",
        ),
        ("KB-C37", ("= codes_mode.code;", "= codes_mode.code AND source.secret = 'x';"), "source.secret", "covers"),
    ],
)
def test_mistake_in_a_transform(feed: Path, code: str, change_of: tuple[str, str], marker: str, words: str) -> None:
    old, new = change_of
    change(feed / SQL, old, new)
    problem = next(p for p in found_by(feed) if words in p.text)
    line = line_of(feed / SQL, marker)
    near = {line, line + 1} if marker.startswith("--") else {line}
    assert (problem.code, problem.path) == (code, feed / SQL)
    assert problem.line in near, str(problem)
    assert all(p.path == feed / SQL for p in check())


@pytest.mark.parametrize(
    ("scope", "place", "words"),
    [
        ("service_type", SQL, "lacks service_type, which intake.scope names"),
        ("entry_date", CONTRACT, "no table that the transform fills has the columns of intake.scope"),
    ],
)
def test_a_scope_that_nothing_can_be_closed_by(feed: Path, scope: str, place: str, words: str) -> None:
    closing = f"kind: snapshot, absence: closed, scope: [{scope}], maxBadRowShare"
    change(feed / CONTRACT, "maxBadRowShare", closing)
    assert [(p.code, p.path) for p in check() if words in p.text] == [("KB-C35", feed / place)]


def test_missing_transform(feed: Path) -> None:
    (feed / SQL).unlink()
    assert [(p.code, p.path, p.line) for p in check()] == [("KB-C30", feed / SQL, 1)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("id,delivery_method,note\nH,InPerson,\n", 1, "`code`"),
        ("", 1, "`code`"),
        (MODES.replace("P,", "H,"), 3, "come after"),
        (MODES.replace("H,", "Q,"), 3, "come after"),
        (MODES.replace("P,Telephone,", "P,Telephone"), 3, "3 columns"),
    ],
)
@pytest.mark.parametrize("name", ["mode.csv", "other.csv"])
def test_mistake_in_a_crosswalk(feed: Path, name: str, text: str, line: int, words: str) -> None:
    """Named by the contract as a code set, or only joined by the transform: the same code and the same place."""
    path = feed / "codes" / name
    path.write_text(text, encoding="utf-8")
    [problem] = [p for p in check() if p.path == path]
    assert (problem.code, problem.line) == ("KB-C33", line)
    assert words in problem.text or name == "other.csv"


def test_crosswalk_that_is_no_utf8(feed: Path) -> None:
    (feed / "codes" / "other.csv").write_bytes(b"code,x,note\nA,\xff,\n")
    assert [(p.code, p.path, p.line) for p in check()] == [("KB-C33", feed / "codes" / "other.csv", 1)]


def test_crosswalk_without_a_code_allows_nothing(feed: Path) -> None:
    (feed / CODES).write_text("code,delivery_method,note\n", encoding="utf-8")
    assert [(p.code, p.text.endswith("has no code")) for p in found_by(feed)] == [("KB-C02", True)]


def test_mistake_in_a_profile(feed: Path) -> None:
    path = feed.parents[1] / "profile.yaml"
    sound = path.read_text(encoding="utf-8")
    path.unlink()
    assert [(p.code, p.path, p.line) for p in check()] == [("KB-C31", path, 1)]
    for old, new, line in (
        ("partner: atlas", "partner: atlast", 1),
        ("email:", "mail:", 4),
        ("name: The", "title: The", 1),
    ):
        path.write_text(sound.replace(old, new), encoding="utf-8")
        assert [(p.code, p.path, p.line) for p in check()] == [("KB-C31", path, line)]


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("KB-C32", "feed: atlas/people_v1", "feed: atlas/persons_v1"),
        ("KB-C32", "{ person_id: id }", "{ person_id: number }"),
    ],
)
def test_reference_to_nothing(feed: Path, code: str, old: str, new: str) -> None:
    change(feed / CONTRACT, old, new)
    line = line_of(feed / CONTRACT, new)
    assert [(p.code, p.path, p.line) for p in found_by(feed)] == [(code, feed / CONTRACT, line)]


def test_stale_suite(feed: Path, tmp_path: Path) -> None:
    path = tmp_path / "great_expectations" / "expectations" / "atlas__visits_v1.json"
    change(feed / CONTRACT, "maximum: 480", "maximum: 481")
    assert [(p.code, p.path, p.line) for p in check()] == [("KB-C38", path, 1)]
    assert compile_suites() == [path]
    assert compile_suites() == []
    assert check() == []
