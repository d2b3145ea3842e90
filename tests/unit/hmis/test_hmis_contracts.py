"""The contract set of an HMIS export says what the standard says: every file, column, list and check of both years."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.support.approving import approve
from tests.support.declared import USE_CASE, site_of
from typer.testing import CliRunner

from kinbridge.check.declarations import check
from kinbridge.cli.main import app
from kinbridge.contract.model import Feed, Kind
from kinbridge.contract.odcs import feeds, read_feed
from kinbridge.contract.rules import rules
from kinbridge.errors import KinbridgeError
from kinbridge.hmis.contract import length_pattern
from kinbridge.hmis.names import feed_id, snake
from kinbridge.hmis.standard import VERSIONS, Version, checks, files, narrowed
from kinbridge.hmis.structure import DIRECT
from kinbridge.hmis.transform import ELSEWHERE, content_columns, targets
from kinbridge.hmis.write import write_set
from kinbridge.load.lineage import lineage
from kinbridge.load.transform import read_transform
from kinbridge.preflight.siblings import in_order, in_the_same_zip
from kinbridge.standards import code_set

TODAY = date(2026, 6, 3)
# Files and their columns, FY2024 and FY2026.
COLUMNS = {
    "Export": (19, 19),
    "Organization": (9, 9),
    "User": (10, 10),
    "Project": (19, 19),
    "Funder": (12, 12),
    "ProjectCoC": (15, 15),
    "Inventory": (22, 22),
    "Affiliation": (8, 8),
    "HMISParticipation": (10, 10),
    "CEParticipation": (15, 15),
    "Client": (46, 38),
    "Enrollment": (71, 67),
    "Exit": (44, 44),
    "IncomeBenefits": (77, 77),
    "HealthAndDV": (18, 18),
    "EmploymentEducation": (15, 15),
    "Disabilities": (20, 20),
    "Services": (18, 18),
    "CurrentLivingSituation": (18, 18),
    "Assessment": (13, 13),
    "AssessmentQuestions": (13, 13),
    "AssessmentResults": (11, 11),
    "Event": (15, 15),
    "YouthEducationStatus": (13, 13),
}


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the feeds of both years."""
    with site_of(tmp_path_factory.mktemp("site")) as folder:
        (folder / "use_cases").mkdir()
        (folder / "use_cases" / "counts.yaml").write_text(USE_CASE, encoding="utf-8")
        for version, pattern in (("FY2024", "a"), ("FY2026", "b")):
            write_set("north", version, into=folder, file_pattern=rf"{pattern}_(?P<period>\d{{6}})\.zip", today=TODAY)
        feeds.cache_clear()
        yield folder


def feed(file: str, version: Version) -> Feed:
    return feeds()[feed_id("north", file, version)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_file_and_column_is_compiled(include: Path, version: Version) -> None:
    place = VERSIONS.index(version)
    assert {file: len(columns) for file, columns in files(version).items()} == {
        file: numbers[place] for file, numbers in COLUMNS.items()
    }
    for file, columns in files(version).items():
        compiled = feed(file, version)
        assert [c.header for c in compiled.columns] == [c.name for c in columns]
        assert [c.required for c in compiled.columns] == [c.required for c in columns]
        assert compiled.key == (snake(columns[0].name),)
        for ours, theirs in zip(compiled.columns, columns, strict=True):
            if theirs.code_list is None and theirs.type == "datetime":
                assert (ours.logical_type, ours.date_format) == ("date", "yyyy-MM-dd HH:mm:ss"), theirs.place
            if theirs.length is not None and theirs.code_set is None and theirs.pattern is None:
                assert ours.pattern == length_pattern(theirs.length), theirs.place


@pytest.mark.parametrize("version", VERSIONS)
def test_every_list_is_compiled(include: Path, version: Version) -> None:
    listed = {c.code_list for columns in files(version).values() for c in columns} - {None}
    assert len(listed) == {"FY2024": 73, "FY2026": 76}[version]
    for columns in files(version).values():
        for column in columns:
            compiled = feed(column.file, version).column(snake(column.name))
            if column.code_list is not None and column.place not in narrowed(version):
                assert compiled.codes == code_set(f"hmis_{version.lower()}/{column.code_list}").codes, column.place
                assert compiled.codes, column.place


@pytest.mark.parametrize("version", VERSIONS)
def test_a_column_with_checks_has_a_list_of_its_own(include: Path, version: Version) -> None:
    for place in narrowed(version):
        file, column = place.split(".")
        those = [check for check in checks(version) if check.place == place and check.code_list]
        of = {check.code_list: code_set(f"hmis_{version.lower()}/{check.code_list}").codes for check in those}
        whole = {code for codes in of.values() for code in codes}
        forbidden = {code for check in those if check.kind == "not_in" for code in check.codes}
        assert forbidden <= whole
        assert set(feed(file, version).column(snake(column)).codes) == whole - forbidden, place


@pytest.mark.parametrize("version", VERSIONS)
def test_which_code_goes_with_which(include: Path, version: Version) -> None:
    """By hand: a bed night has one type, a substance use disorder has kinds, a type of SSVF service has subtypes."""
    when = {check.place for check in checks(version) if check.kind == "list_when"}
    compiled = {(one.column, one.when): set(one.pairs) for file in COLUMNS for one in feed(file, version).code_pairs}
    assert {snake(place.split(".")[1]) for place in when} == {column for column, _ in compiled}
    types = compiled["type_provided", "record_type"]
    assert {code for record, code in types if record == "200"} == {"200"}
    assert {code for record, code in types if record == "300"} == {"1", "2", "3", "4", "5"}
    assert len({record for record, _ in types}) == 10
    responses = compiled["disability_response", "disability_type"]
    assert ("10", "3") in responses
    assert ("5", "3") not in responses
    assert ("5", "1") in responses
    assert compiled["sub_type_provided", "type_provided"]
    if version == "FY2024":
        subsidies = compiled["subsidy_information", "housing_assessment"]
        assert {code for housing, code in subsidies if housing == "2"} == {"11", "12"}
        # Of other assessments the standard says nothing here.
        assert {code for housing, code in subsidies if housing == "3"} == {"1", "2", "3", "4", "11", "12"}


def test_a_mistake_costs_the_row_only_where_the_row_needs_the_value(include: Path) -> None:
    exits = feed("Exit", "FY2024")
    critical = {rule.id for rule in rules(exits, exits.columns) if rule.scope == "row" and rule.severity == "critical"}
    assert critical == {
        "row.shape",
        *(f"{name}.{kind}" for name in ("exit_id", "enrollment_id", "personal_id") for kind in ("presence", "format")),
        "exit_date.presence",
        "exit_date.type",
        "date_deleted.type",
        "exit_id.unique",
        "date_created__date_updated.date_order",
        "enrollment_id.reference",
        "personal_id.reference",
    }
    assert {r.severity for r in rules(exits, exits.columns) if r.kind is Kind.CODE_SET} == {"warning"}


@pytest.mark.parametrize("version", VERSIONS)
def test_references_lead_to_keys_and_in_no_circle(include: Path, version: Version) -> None:
    known: set[str] = set()
    waiting = {one.id: one for one in feeds().values() if one.id.endswith(version.removeprefix("FY"))}
    while waiting:
        ready = [one for one in waiting.values() if {r.feed for r in one.references} <= known]
        assert ready, waiting.keys()
        for one in ready:
            known.add(one.id)
            del waiting[one.id]
    assert {r.feed for r in feed("AssessmentQuestions", version).references} == {
        feed_id("north", file, version) for file in ("Assessment", "Enrollment", "Client")
    }
    for one in feeds().values():
        for reference in one.references:
            assert feeds()[reference.feed].key == reference.their_columns


@pytest.mark.parametrize("version", VERSIONS)
def test_every_column_goes_somewhere_and_names_to_the_person_alone(include: Path, version: Version) -> None:
    for file, columns in files(version).items():
        statements, problems = read_transform(feed(file, version).folder / "transform.sql")
        assert problems == []
        assert tuple(statement.target for statement in statements) == targets(file)
        used = {use.column for statement in statements for use in lineage(statement).uses if use.relation == "source"}
        assert {snake(c.name) for c in columns} - used == {"export_id", "date_deleted"} & {
            snake(c.name) for c in columns[1:]
        }, file
        assert not {c.name for c in content_columns(columns)} & (DIRECT | ELSEWHERE.get(file, set()))


def test_a_preflight_finds_what_the_file_refers_to_in_the_same_zip(include: Path) -> None:
    exits, path = feed("Exit", "FY2024"), Path("a_202605.zip")
    found = in_order(exits, in_the_same_zip(exits, path, (), feeds()))
    assert [one.feed.id.split("/")[1] for one in found][-1] == "enrollment_v2024"
    assert {one.feed.id for one in found} == {
        feed_id("north", file, "FY2024") for file in ("Client", "Enrollment", "Project", "Organization")
    }
    given = {feed_id("north", "Enrollment", "FY2024")}
    assert [one.feed.title for one in in_the_same_zip(exits, path, given, feeds())] == ["HMIS CSV FY2024, Client.csv"]
    assert in_the_same_zip(exits, Path("other_202605.zip"), (), feeds()) == []


def test_names() -> None:
    assert snake("RelationshipToHoH") == "relationship_to_hoh"
    assert snake("ProjectCoCID") == "project_coc_id"
    assert snake("HealthAndDVID") == "health_and_dv_id"
    assert snake("SSIAmount") == "ssi_amount"
    assert len(snake("AskedOrForcedToExchangeForSexPastThreeMonths")) <= 50
    # Postgres counts to 255.
    assert length_pattern(500) == "^.{1,255}.{0,245}$"


@pytest.mark.parametrize(
    ("partner", "options", "code"),
    [
        ("north", {"only": ["Clients"]}, "KB-C50"),
        ("north", {"only": ["client.csv"]}, "KB-C51"),
        ("a_name_that_is_long", {}, "KB-C52"),
        ("North", {}, "KB-C52"),
        ("south", {"file_pattern": r"hmis_\d{6}\.zip"}, "KB-C53"),
        ("south", {"file_pattern": "("}, "KB-C53"),
    ],
)
def test_what_is_refused_writes_nothing(include: Path, partner: str, options: dict[str, object], code: str) -> None:
    before = sorted(include.rglob("*"))
    with pytest.raises(KinbridgeError) as caught:
        write_set(partner, "FY2024", into=include, today=TODAY, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert sorted(include.rglob("*")) == before


def test_two_years_under_one_name_are_refused(tmp_path: Path) -> None:
    with site_of(tmp_path) as folder:
        write_set("south", "FY2024", into=folder, only=["Client"], today=TODAY)
        with pytest.raises(KinbridgeError) as caught:
            write_set("south", "FY2026", into=folder, only=["Client"], today=TODAY)
        assert caught.value.code == "KB-C53"


def test_the_command_writes_what_is_asked_for_and_lists_the_decisions(tmp_path: Path) -> None:
    with site_of(tmp_path) as folder:
        done = CliRunner().invoke(
            app, ["hmis", "south", "fy2026", "--into", str(folder), "--only", "exit", "--only", "Client"]
        )
        assert done.exit_code == 0, done.output
        assert "decision(s) to take" in done.output
        feeds.cache_clear()
        assert sorted(feeds()) == ["south/client_v2026", "south/exit_v2026"]
        # Enrollments are not among them, so nothing can refer to them.
        assert [r.feed for r in feeds()["south/exit_v2026"].references] == ["south/client_v2026"]
        approve(folder)
        assert {problem.code for problem in check()} <= {"KB-P10", "KB-C23"}
        again = CliRunner().invoke(app, ["hmis", "south", "FY2026", "--into", str(folder)])
        assert again.exit_code == 2
        assert "KB-C51" in again.output


def test_a_zip_is_looked_through_in_any_folder_and_case(include: Path) -> None:
    member = read_feed(feed("Client", "FY2024").path).dialect.member
    assert member is not None
    for name in ("Client.csv", "export/CLIENT.CSV", "a\\b\\client.csv"):
        assert re.fullmatch(member, name)
    for name in ("Client.csv.bak", "XClient.csv", "Client/other.csv"):
        assert not re.fullmatch(member, name)
