"""Which rules a contract implies, and what the project's own contracts come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.contract.model import CODES, DEFAULT_SEVERITY, FILE_KINDS, Feed, Kind
from kinbridge.contract.odcs import feed_of, feeds
from kinbridge.contract.rules import rules
from kinbridge.errors import KinbridgeError, catalogue

FEED = "atlas/rows_v1"
TABLE = """\
    customProperties:
      - property: dateOrder
        value: [{ earlier: first, later: second }]
      - property: references
        value: [{ feed: atlas/rows_v1, columns: { a: a, b: b } }]
    quality: [{ id: rows, type: library, metric: rowCount, mustBeBetween: [1, 9] }]
"""


def day(name: str) -> str:
    return column(name, "date", "logicalTypeOptions: { format: yyyy-MM-dd }")


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    with site_of(tmp_path) as include:
        key = ("primaryKey: true", "primaryKeyPosition: 2")
        severity = "customProperties: [{ property: severity, value: { presence: warning } }]"
        columns = (
            column("a", "string", *key),
            column("b", "string", "required: true", "primaryKey: true", "primaryKeyPosition: 1", severity),
            day("first"),
            day("second"),
        )
        write_feed(include, FEED, contract(FEED, *columns, table=TABLE))
        return feed_of(FEED)


def test_rules_of_a_feed_in_the_order_of_its_columns(feed: Feed) -> None:
    chosen = rules(feed, feed.columns)
    assert [rule.id for rule in chosen] == [
        "row.shape",
        "b.presence",
        "first.type",
        "second.type",
        "b__a.unique",
        "first__second.date_order",
        "a__b.reference",
        "file.row_count",
        "file.header",
        "file.new_column",
        "file.missing_column",
        "file.readable",
        "file.bad_share",
        "file.drift",
        "file.shrunk",
    ]
    assert {rule.id: rule.severity for rule in chosen}["b.presence"] == "warning"
    assert {rule.scope for rule in chosen if rule.kind in FILE_KINDS} == {"file"}


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ("a", {"b__a.unique", "a__b.reference"}),
        ("b", {"b.presence", "b__a.unique", "a__b.reference"}),
        ("first", {"first.type", "first__second.date_order"}),
    ],
)
def test_what_is_not_read_is_not_judged(feed: Feed, without: str, gone: set[str]) -> None:
    everything = {rule.id for rule in rules(feed, feed.columns)}
    allowed = feed.authorised({c.name for c in feed.columns} - {without})
    assert everything - {rule.id for rule in rules(feed, allowed)} == gone


def test_every_kind_of_rule_has_a_code_in_the_catalogue_and_a_severity() -> None:
    assert set(CODES) == set(Kind) == set(DEFAULT_SEVERITY)
    assert len(set(CODES.values())) == len(CODES)
    assert set(CODES.values()) <= set(catalogue())


def test_rule_ids_of_the_projects_feeds_are_unique_and_their_columns_are_theirs() -> None:
    assert len(feeds()) == 6
    for feed in feeds().values():
        chosen = rules(feed, feed.columns)
        assert len({rule.id for rule in chosen}) == len(chosen)
        assert all(feed.column(name) for rule in chosen for name in rule.columns)
        assert feed.slug == feed.id.replace("/", "__")


def test_a_feed_or_column_that_is_not_there() -> None:
    with pytest.raises(KinbridgeError, match="KB-C03"):
        feed_of("nobody/nothing_v1")
    with pytest.raises(KeyError):
        next(iter(feeds().values())).column("nothing")
