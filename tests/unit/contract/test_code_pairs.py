"""Codes that go with another column's codes: what a contract may say, and which rows break it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.contract.model import Feed, Kind
from kinbridge.contract.odcs import ContractError, read_feed
from kinbridge.contract.rules import rules
from kinbridge.contract.sql import broken

FEED = "atlas/stays_v1"
CODES = {"place.csv": "code,meaning,note\nhome,,\nward,,\n", "bed.csv": "code,meaning,note\n1,,\n2,,\n3,,\n"}
SOUND = "{ column: bed, when: place, codes: { home: ['1'], ward: ['2', '3'] } }"


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as folder:
        yield folder


def read(include: Path, entry: str) -> Feed:
    columns = (
        column("stay_id", "string", "required: true", "primaryKey: true"),
        column("place", "string", "customProperties: [{ property: codeSet, value: codes/place.csv }]"),
        column("bed", "string", "customProperties: [{ property: codeSet, value: codes/bed.csv }]"),
    )
    table = f"    customProperties:\n      - property: codesWhen\n        value: [{entry}]\n"
    return read_feed(
        write_feed(include, FEED, contract(FEED, *columns, table=table), codes=CODES) / "contract.odcs.yaml"
    )


def test_a_pair_that_is_not_listed_breaks_the_rule_and_half_a_pair_does_not(include: Path) -> None:
    feed = read(include, SOUND)
    [rule] = [rule for rule in rules(feed, feed.columns) if rule.pairs]
    assert (rule.id, rule.kind, rule.severity) == ("place__bed.code_set", Kind.CODE_SET, "warning")
    assert rule.pairs == (("home", "1"), ("ward", "2"), ("ward", "3"))
    listed = "('home', '1'), ('ward', '2'), ('ward', '3')"
    both = '"place", "bed"'
    assert broken(feed, rule, date(2026, 1, 31)) == f"num_nulls({both}) = 0 AND ({both}) NOT IN ({listed})"
    # What is not read cannot be judged.
    assert not [rule for rule in rules(feed, feed.authorised(["stay_id", "bed"])) if rule.pairs]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{ column: bed, when: place }", "needs column and when, two columns with code sets, and codes"),
        (SOUND.replace("bed", "stay_id"), "needs column and when, two columns with code sets, and codes"),
        (SOUND.replace("column: bed", "column: place"), "needs column and when, two columns with code sets, and codes"),
        (SOUND.replace(", ward: ['2', '3']", ""), "lists the codes of 'place', all of them and no others"),
        (SOUND.replace("ward", "street"), "lists the codes of 'place', all of them and no others"),
        (SOUND.replace("'3'", "'4'"), "gives 'bed' a code that its list does not have, or none"),
        (f"{SOUND}, {SOUND}", "names 'bed' and 'place' twice"),
    ],
)
def test_each_mistake_is_told_once_with_its_line(include: Path, entry: str, problem: str) -> None:
    with pytest.raises(ContractError) as error:
        read(include, entry)
    [found] = error.value.problems
    assert problem in found.text
    assert found.code == "KB-C02"
