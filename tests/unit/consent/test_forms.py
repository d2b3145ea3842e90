"""Forms are read whole or not at all, and every mistake has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinbridge.consent.check import consent_problems
from kinbridge.consent.form import read_declared_forms, read_forms
from kinbridge.errors import KinbridgeError

FORM = """\
id: family
version: 2
title: Family consent
covers:
  use_cases: all
  programs: [snap]
signed_by: [parent, guardian]
languages: [eng, spa]
valid_months: 12
revocable: In writing.
revocation:
  reaches: [every table]
  stands:
    - what: published counts
      why: they name nobody
      citation: 45 CFR 164.508(b)(5)(i)
text: I agree.
"""


@pytest.fixture
def include(tmp_path: Path) -> Path:
    for name in ("agreements", "use_cases", "consent/forms"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def write(include: Path, text: str, name: str = "family") -> Path:
    path = include / "consent" / "forms" / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_form_is_known_by_id_and_version(include: Path) -> None:
    write(include, FORM)
    form = read_forms([include])["family/2"]
    assert (form.use_cases, form.programs, form.valid_months) == (None, ("snap",), 12)
    assert form.covers("any use case", "snap")
    assert not form.covers("any use case", "medicaid")
    assert not form.covers("any use case", None), "it does not speak of every program"
    assert [one.citation for one in form.stands] == ["45 CFR 164.508(b)(5)(i)"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("id: family", "id: Family", 1),
        ("version: 2", "version: 2.0", 2),
        ("version: 2", "version: true", 2),
        ("title: Family consent", "title: ''", 3),
        ("use_cases: all", "use_cases:", 5),
        ("signed_by: [parent, guardian]", "signed_by: [parent, cousin]", 7),
        ("languages: [eng, spa]", "languages: [english]", 8),
        ("valid_months: 12", "valid_months: 0", 9),
        ("revocable: In writing.", "revocible: In writing.", 10),
        ("      citation: 45 CFR 164.508(b)(5)(i)\n", "", 14),
        ("text: I agree.\n", "", 1),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_form_is_not_used(
    include: Path, old: str, new: str, line: int
) -> None:
    path = write(include, FORM.replace(old, new))
    declared = read_declared_forms([include])
    assert declared.forms == []
    assert {(one.code, one.path) for one in declared.problems} == {("KB-N10", path)}
    assert line in {one.line for one in declared.problems}
    with pytest.raises(KinbridgeError, match="KB-N01"):
        read_forms([include])


def test_one_form_has_one_text(include: Path) -> None:
    write(include, FORM)
    write(include, FORM, "family_again")
    assert [one.code for one in read_declared_forms([include]).problems] == ["KB-N10"]


def test_what_a_form_covers_and_who_names_it_is_checked(include: Path) -> None:
    write(include, FORM.replace("all", "[counts, unheard_of]").replace("[snap]", "[snap, unheard_of]"))
    use_case = (
        "id: counts\nstatus: approved\nquestion: How many?\ngoals: [a]\nbenefits: {snap: b}\npopulation: c\n"
        "elements: [person.birth_date]\noutputs: [children_served]\nconsent: {rule: opt_in, form: other, what: d}\n"
    )
    (include / "use_cases" / "counts.yaml").write_text(use_case, encoding="utf-8")
    (include / "use_cases" / "more.yaml").write_text(
        use_case.replace("id: counts", "id: more").replace("other", "family"), encoding="utf-8"
    )
    found = {(one.code, one.path.name) for one in consent_problems([include])}
    assert found == {("KB-N11", "family.yaml"), ("KB-N12", "counts.yaml"), ("KB-N12", "more.yaml")}


def test_ours_hold() -> None:
    assert consent_problems() == []
