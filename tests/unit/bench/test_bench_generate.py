"""The benchmark's file and its declarations: what they say they are."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import pytest

from kinbridge.bench.generate import generate
from kinbridge.bench.stand import FEED
from kinbridge.check.declarations import check
from kinbridge.check.suites import compile_suites
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import read_feed
from kinbridge.contract.rules import rules

SITE = Path(str(resources.files("kinbridge.bench"))) / "site"


@pytest.fixture(scope="module")
def feed() -> Feed:
    return read_feed(SITE / "partners" / FEED.replace("/", "/feeds/") / "contract.odcs.yaml")


def test_the_feed_has_twelve_columns_and_twenty_rules_for_rows(feed: Feed) -> None:
    assert len(feed.columns) == 12
    assert sum(rule.scope == "row" for rule in rules(feed, feed.columns)) == 20


def test_its_declarations_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(SITE))
    monkeypatch.setenv("KINBRIDGE_GX", str(tmp_path))
    compile_suites()
    assert check() == []


def test_the_same_seed_gives_the_same_rows_and_one_in_a_hundred_is_spoilt(tmp_path: Path, feed: Feed) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate(tmp_path / name, 20_000, seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again != other
    header, *rows = list(csv.reader(first.decode().splitlines()))
    assert header == [column.header for column in feed.columns]
    assert len(rows) == 20_000
    # Ten of the fifteen ways to spoil a row show in its own text.
    marks = {"20011399", "19000101", "X", "999-99-9999", "123-45", "77", "??", "none", "02/30/2020", "01/01/1950"}
    spoilt = sum(bool(marks & set(row)) for row in rows)
    assert 0.8 < spoilt / (20_000 * 0.01 * 10 / 15) < 1.25
    repeats = len(rows) - len({tuple(row) for row in rows})
    assert repeats > 0


def test_a_file_without_bad_rows_breaks_no_rule(tmp_path: Path, feed: Feed) -> None:
    generate(tmp_path / "sound", 20_000, 3, 0.0)
    rows = list(csv.DictReader((tmp_path / "sound").read_text(encoding="utf-8").splitlines()))
    born = [row["dob"] for row in rows]
    enrolled = ["".join((row["enrolled_on"][6:], row["enrolled_on"][:2], row["enrolled_on"][3:5])) for row in rows]
    assert min(enrolled) >= "19500101"
    assert max(enrolled) <= "20251231"
    assert all(earlier <= later for earlier, later in zip(born, enrolled, strict=True))
    assert len({row["member_id"] for row in rows}) == len(rows)
