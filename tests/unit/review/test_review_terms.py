"""What can be wrong with `review.yaml`, each mistake with its line; and who reviews."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from kinbridge.errors import KinbridgeError
from kinbridge.review.reviewer import names_of, reviewer_named, reviewer_of
from kinbridge.review.terms import read_terms, review_problems, terms_path
from kinbridge.settings import include_folders

DAY = date(2026, 11, 30)


def site(tmp_path: Path, **changed: object) -> list[Path]:
    """The include folders with one of a site whose terms are ours but for this; a change to None takes a part out."""
    data = yaml.safe_load(terms_path().read_text(encoding="utf-8"))
    data = {name: value for name, value in (data | changed).items() if value is not None}
    file = tmp_path / "linkage" / "review.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return [*include_folders(), tmp_path]


def test_ours_can_be_used_and_a_site_has_its_own(tmp_path: Path) -> None:
    assert review_problems() == []
    assert read_terms().reviewers == "stewards"
    folders = site(tmp_path, test=0.5)
    assert review_problems(folders) == []
    assert read_terms(folders).test == 0.5


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"reviewers": "nobody"}, "the charter has no body nobody"),
        ({"reviewers": None}, "reviewers is required"),
        ({"test": 1.5}, "test is required, as a number from 0 to 1"),
        ({"second_opinion": True}, "second_opinion is required"),
        ({"worth": {"records": 1}}, "worth.kept_apart is required"),
        ({"worth": None}, "worth is required"),
        ({"shares": 1}, "shares is nothing that review knows"),
        ({"reasons": {"same": ["a"], "different": ["b"]}}, "reasons.unsure is required"),
        ({"reasons": {"same": ["a"], "different": ["b"], "unsure": ["c"], "perhaps": ["d"]}}, "reasons.perhaps is no"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, changed: dict[str, object], text: str) -> None:
    folders = site(tmp_path, **changed)
    problems = review_problems(folders)
    assert any(text in problem.text for problem in problems), problems
    assert {problem.code for problem in problems} == {"KB-C49"}
    if "nobody" not in text:
        with pytest.raises(KinbridgeError) as failure:
            read_terms(folders)
        assert failure.value.code == "KB-K60"


def test_a_reviewer_is_the_same_person_by_any_name() -> None:
    terms = read_terms()
    for name in ("wetherby", "Cassius Wetherby", "steward", "STEWARD", "steward.data@example.org"):
        assert reviewer_named(name, terms, DAY).id == "wetherby"
    user = reviewer_of({"id": "17", "name": "steward"}, terms, DAY)
    assert user is not None
    assert user.id == "wetherby"
    assert names_of()["wetherby"] == "Cassius Wetherby"


@pytest.mark.parametrize("name", ["", " ", "analyst", "rosalind.achterberg", "root"])
def test_nobody_else_reviews(name: str) -> None:
    terms = read_terms()
    with pytest.raises(KinbridgeError) as failure:
        reviewer_named(name, terms, DAY)
    assert failure.value.code == "KB-K61"
    assert reviewer_of({"id": name, "name": name}, terms, DAY) is None


def test_nobody_reviews_before_their_term() -> None:
    terms = read_terms()
    with pytest.raises(KinbridgeError):
        reviewer_named("wetherby", terms, date(2024, 8, 31))
    assert reviewer_of({"id": "steward", "name": "steward"}, terms, date(2024, 8, 31)) is None
