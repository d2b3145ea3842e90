"""What a preflight looks at: which siblings in which order, which day, which columns, and what stays unanswered."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.support.approving import approve
from tests.support.declared import column, contract, site_of, write_agreement, write_feed

from kinbridge.contract.model import Dialect, Feed, Reference
from kinbridge.contract.odcs import read_feed
from kinbridge.errors import KinbridgeError
from kinbridge.preflight.run import day_of
from kinbridge.preflight.siblings import Sibling, in_order, looks_back, unknowable
from kinbridge.preflight.steps import columns_of

TODAY = date(2026, 8, 9)
PATTERN = r"^visits_(?P<period>\d{6})\.csv$"


def feed(name: str, *referred: str, pattern: str = PATTERN) -> Feed:
    references = tuple(Reference(f"atlas/{other}", ("a",), ("b",)) for other in referred)
    return Feed(
        id=f"atlas/{name}",
        version="1.0.0",
        title=name,
        path=Path("contract.odcs.yaml"),
        columns=(),
        dialect=Dialect(pattern),
        max_bad_row_share=0.1,
        schedule=None,
        references=references,
    )


def sibling(name: str, *referred: str, path: str = "f.csv") -> Sibling:
    return Sibling(feed(name, *referred), Path(path))


def names(siblings: list[Sibling]) -> list[str]:
    return [s.feed.id.removeprefix("atlas/") for s in siblings]


def test_a_sibling_comes_after_those_that_it_refers_to_itself() -> None:
    given = [sibling("b_v1", "c_v1"), sibling("c_v1", path="june"), sibling("c_v1", path="july")]
    ordered = in_order(feed("a_v1", "b_v1"), given)
    assert names(ordered) == ["c_v1", "c_v1", "b_v1"]
    assert [s.path.name for s in ordered[:2]] == ["june", "july"]


def test_feeds_that_refer_to_each_other_in_a_circle_are_all_loaded() -> None:
    given = [sibling("b_v1", "c_v1"), sibling("c_v1", "b_v1")]
    assert names(in_order(feed("a_v1", "b_v1"), given)) == ["b_v1", "c_v1"]


def test_a_feed_that_refers_to_itself_is_checked_against_its_file_and_takes_earlier_ones_along() -> None:
    own = feed("a_v1", "a_v1", "b_v1")
    assert looks_back(own)
    assert [reference.feed for reference in unknowable(own, ())] == ["atlas/b_v1"]
    assert names(in_order(own, [sibling("a_v1", "a_v1"), sibling("b_v1")])) == ["a_v1", "b_v1"]
    assert not looks_back(feed("a_v1", "b_v1"))


@pytest.mark.parametrize("name", ["z_v1", "a_v1"])
def test_a_file_that_nobody_asks_for_is_refused(name: str) -> None:
    with pytest.raises(KinbridgeError, match="KB-P02"):
        in_order(feed("a_v1", "b_v1"), [sibling(name)])


def test_rules_stay_open_whose_feed_brought_no_key() -> None:
    open_rules = unknowable(feed("a_v1", "b_v1", "c_v1"), {"atlas/b_v1"})
    assert [r.feed for r in open_rules] == ["atlas/c_v1"]


@pytest.mark.parametrize(
    ("name", "given", "day", "notes"),
    [
        ("visits_202602.csv", None, date(2026, 2, 28), []),
        ("visits_202602.csv", date(2026, 2, 3), date(2026, 2, 3), []),
        ("visits_202613.csv", None, TODAY, ["no month: the file is not", "tells no month"]),
        ("copy of visits.csv", None, TODAY, ["does not fit", "tells no month"]),
        ("copy of visits.csv", date(2026, 2, 3), date(2026, 2, 3), ["does not fit"]),
    ],
)
def test_the_day_comes_from_the_name_as_at_intake(name: str, given: date | None, day: date, notes: list[str]) -> None:
    found, said = day_of(feed("visits_v1"), name, given, TODAY)
    assert found == day
    assert len(said) == len(notes)
    assert all(part in text for part, text in zip(notes, said, strict=True))


@pytest.mark.parametrize(("named", "checked"), [(None, ["id", "sex", "note"]), (["note", "id"], ["id", "note"])])
def test_columns_are_those_that_an_agreement_names_or_all(
    tmp_path: Path, named: list[str] | None, checked: list[str]
) -> None:
    with site_of(tmp_path) as include:
        text = contract("atlas/a_v1", column("id", "string", "primaryKey: true"), column("sex"), column("note"))
        folder = write_feed(include, "atlas/a_v1", text)
        if named:
            # An agreement that ran out long ago counts as well: what is checked does not depend on the day.
            path = write_agreement(include, "atlas", {"atlas/a_v1": named})
            path.write_text(path.read_text(encoding="utf-8").replace("2026-12-31", "2025-02-01"), encoding="utf-8")
        feed = read_feed(folder / "contract.odcs.yaml")
        assert [c.name for c in columns_of(feed, date(2026, 7, 10))] == checked


def test_columns_are_those_that_intake_would_read_today(tmp_path: Path) -> None:
    with site_of(tmp_path) as include:
        text = contract("atlas/a_v1", column("id", "string", "primaryKey: true"), column("sex"), column("note"))
        feed = read_feed(write_feed(include, "atlas/a_v1", text) / "contract.odcs.yaml")
        path = write_agreement(include, "atlas", {"atlas/a_v1": ["id", "sex"]})
        narrower = path.read_text(encoding="utf-8").replace("version: 1.0.0", "version: 1.1.0\namends: 1.0.0")
        narrower = narrower.replace("effective: 2025-01-01", "effective: 2026-07-01").replace("[id, sex]", "[id]")
        path.with_name("atlas_1_1.yaml").write_text(narrower, encoding="utf-8")
        approve(include)
        read = {day: [c.name for c in columns_of(feed, day)] for day in (date(2026, 6, 30), date(2026, 7, 1))}
        assert read == {date(2026, 6, 30): ["id", "sex"], date(2026, 7, 1): ["id"]}
