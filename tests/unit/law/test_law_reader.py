"""Every kind of mistake in a law or in the classes is found, with its code and the very line it stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.errors import KinbridgeError
from kinbridge.law.demand import Kind
from kinbridge.law.model import cited
from kinbridge.law.reader import read_laws
from kinbridge.rule.check import check_laws

COLUMNS = {"snap/participation_v1": {"dob", "ssn"}}
LAW = """\
id: a_law
title: A law
citation: 1 CFR 1
as_of: 2024-12-31
reviewed:
note: Not legal advice; counsel edits.
governs: [snap_record]
clauses:
  - id: counts
    citation: 1 CFR 1.1
    summary: No small counts.
    applies_to:
      classes: [snap_record]
      actions: [publish]
    demands:
      minimum_cell: 11
  - id: rows
    citation: 1 CFR 1.2
    summary: To few.
    applies_to:
      classes: any
      actions: [release]
      roles: [research_partner]
      unless_cited: [1 CFR 1.3]
    demands:
      geography: state
      recipients: [contributor]
"""
CLASSES = """\
classes:
  snap_record: Of SNAP.
feeds:
  snap: [snap_record]
columns:
  snap/participation_v1.ssn: [snap_record]
programs:
  snap: [snap_record]
elements:
  person: { classes: [snap_record] }
  person.birth_date: { dates: exact, ages: true }
fallback:
  - id: all
    citation: here
    summary: Nothing goes.
    applies_to: { classes: any, actions: [publish, release] }
    demands: { minimum_cell: 11, geography: none, recipients: [] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "a_law.yaml").write_text(LAW, encoding="utf-8")
    (tmp_path / "laws" / "classes.yaml").write_text(CLASSES, encoding="utf-8")
    return tmp_path


def test_what_is_written_is_what_is_read(folder: Path) -> None:
    assert check_laws(COLUMNS, [folder]) == []
    laws = read_laws([folder])
    [law] = laws.laws
    counts, rows = law.clauses
    assert (counts.force, counts.demands, counts.line) == ("law", {Kind.MINIMUM_CELL: 11}, 9)
    assert counts.lines == {Kind.MINIMUM_CELL: 16}
    assert rows.scope.classes == frozenset()
    assert rows.scope.touches({"anything"}, "release", "research_partner")
    assert rows.scope.touches((), "release")
    assert not rows.scope.touches((), "release", "recipient")
    assert not counts.scope.touches({"other_record"}, "publish")
    assert laws.classification.of_feed("snap/participation_v2") == {"snap_record"}
    trait = laws.classification.of_element("person.birth_date")
    assert trait is not None
    assert (trait.classes, trait.dates, trait.ages) == ({"snap_record"}, "exact", True)
    assert laws.classification.of_element("referral.referral_date") is None


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("title: A law\n", "", "KB-J10", 1),
        ("title: A law", "title: A law\nsevere: true", "KB-J10", 3),
        ("as_of: 2024-12-31", "as_of: last year", "KB-J10", 4),
        ("governs: [snap_record]", "governs: snap_record", "KB-J10", 7),
        ("governs: [snap_record]", "governs: [snap_recrod]", "KB-J14", 7),
        ("    citation: 1 CFR 1.1\n", "", "KB-J13", 9),
        ("    summary: No small counts.\n", "", "KB-J10", 9),
        ("    summary: To few.\n", "    summary: To few.\n    force: maybe\n", "KB-J10", 20),
        ("      classes: [snap_record]", "      classes: [snap]", "KB-J14", 13),
        ("      classes: [snap_record]", "      classes:", "KB-J10", 13),
        ("      actions: [publish]", "      actions: [print]", "KB-J10", 14),
        ("      actions: [publish]\n", "", "KB-J10", 12),
        ("      roles: [research_partner]", "      roles: [friend]", "KB-J10", 23),
        ("      minimum_cell: 11", "      minimum_cell: 0", "KB-J12", 16),
        ("      minimum_cell: 11", "      minimum_cell: true", "KB-J12", 16),
        ("      minimum_cell: 11", "      minimal_cell: 11", "KB-J11", 16),
        ("    demands:\n      minimum_cell: 11\n", "    demands: {}\n", "KB-J10", 15),
        ("      geography: state", "      geography: town", "KB-J12", 26),
        ("      recipients: [contributor]", "      recipients: [everybody]", "KB-J12", 27),
        ("  - id: rows", "  - id: counts", "KB-J18", 17),
        ("      minimum_cell: 11", "      minimum_cell: 12", "KB-J17", None),
        ("      minimum_cell: 11", "      minimum_cell: [", "KB-C01", 17),
    ],
)
def test_a_mistake_in_a_law_has_its_code_and_line(folder: Path, old: str, new: str, code: str, line: int) -> None:
    assert LAW.count(old) == 1
    (folder / "laws" / "a_law.yaml").write_text(LAW.replace(old, new), encoding="utf-8")
    problems = check_laws(COLUMNS, [folder])
    assert code in {problem.code for problem in problems}
    if line is not None:
        assert (code, line) in {(problem.code, problem.line) for problem in problems}
    if code not in {"KB-J17"}:
        with pytest.raises(KinbridgeError, match=r"KB-J01: .*a_law\.yaml"):
            read_laws([folder])


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("  snap_record: Of SNAP.", "  snap_record:", "KB-J10", 2),
        ("  snap: [snap_record]\ncolumns", "  snap/participation_v9: [snap_record]\ncolumns", "KB-J15", 4),
        ("  snap: [snap_record]\ncolumns", "  snap: [wic_record]\ncolumns", "KB-J14", 4),
        ("  snap: [snap_record]\ncolumns", "  snap: snap_record\ncolumns", "KB-J10", 4),
        ("_v1.ssn", "_v1.ssm", "KB-J15", 6),
        ("programs:\n  snap:", "programs:\n  snapp:", "KB-J15", 8),
        ("person.birth_date:", "person.birthday:", "KB-J15", 11),
        ("{ dates: exact, ages: true }", "{ ages: true }", "KB-J15", 10),
        ("dates: exact", "dates: day", "KB-J10", 11),
        ("ages: true", "ages: often", "KB-J10", 11),
        ("ages: true", "age: true", "KB-J10", 11),
        ("feeds:", "foods:", "KB-J10", 3),
        ("geography: none", "geography: county", "KB-J17", 13),
        ("geography: none, ", "", "KB-J17", 13),
        ("recipients: []", "recipients: [contributor, public]", "KB-J17", 13),
        ("classes: any", "classes: [snap_record]", "KB-J17", 13),
    ],
)
def test_a_mistake_in_the_classes_has_its_code_and_line(folder: Path, old: str, new: str, code: str, line: int) -> None:
    assert CLASSES.count(old) == 1
    (folder / "laws" / "classes.yaml").write_text(CLASSES.replace(old, new), encoding="utf-8")
    assert (code, line) in {(problem.code, problem.line) for problem in check_laws(COLUMNS, [folder])}


def test_without_a_fallback_no_law_can_be_read(folder: Path) -> None:
    (folder / "laws" / "classes.yaml").write_text(CLASSES.partition("fallback:")[0], encoding="utf-8")
    assert "KB-J17" in {problem.code for problem in check_laws(COLUMNS, [folder])}
    with pytest.raises(KinbridgeError, match="KB-J01"):
        read_laws([folder])


def test_a_law_is_declared_once_over_all_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site" / "laws").mkdir(parents=True)
    (tmp_path / "site" / "laws" / "again.yaml").write_text(LAW, encoding="utf-8")
    [problem] = check_laws(COLUMNS, [folder, tmp_path / "site"])
    assert (problem.code, problem.line, problem.path.name) == ("KB-J18", 1, "again.yaml")


def test_a_site_adds_classes_and_takes_none_away(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site" / "laws").mkdir(parents=True)
    site = "classes: {own_record: Ours.}\nfeeds: {snap: [own_record]}\nelements: {person.birth_date: {dates: year}}\n"
    (tmp_path / "site" / "laws" / "classes.yaml").write_text(site, encoding="utf-8")
    classification = read_laws([folder, tmp_path / "site"]).classification
    assert classification.of_feed("snap/participation_v1") == {"snap_record", "own_record"}
    trait = classification.of_element("person.birth_date")
    assert trait is not None
    assert trait.dates == "exact"


def test_an_agreement_that_names_an_unknown_law_is_told_with_its_line(folder: Path) -> None:
    (folder / "agreements").mkdir()
    (folder / "agreements" / "snap.yaml").write_text("id: dsa\nlaws:\n  - a_law\n  - b_law\n", encoding="utf-8")
    [problem] = check_laws(COLUMNS, [folder])
    assert (problem.code, problem.line) == ("KB-J16", 4)


@pytest.mark.parametrize(
    ("given", "wanted", "met"),
    [
        ("34 CFR 99.31(a)(6)", "34 CFR 99.31(a)(6)", True),
        ("34 CFR § 99.31(a)(6)(iii)", "34 CFR 99.31(a)(6)", True),
        ("34  cfr 99.31(a)(6)", "34 CFR 99.31(a)(6)", True),
        ("34 CFR 99.31(a)", "34 CFR 99.31(a)(6)", False),
        ("34 CFR 99.31(a)(61)", "34 CFR 99.31(a)(6)", False),
        ("34 CFR 99.310", "34 CFR 99.31", False),
    ],
)
def test_a_citation_is_met_by_itself_and_by_paragraphs_below_it(given: str, wanted: str, met: bool) -> None:
    assert (cited([given], [wanted]) is not None) is met


def test_every_law_of_the_project_says_that_it_is_no_advice() -> None:
    laws = read_laws().laws
    assert len(laws) > 10
    assert all("legal advice" in law.note for law in laws)
