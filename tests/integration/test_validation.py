"""Every kind of rule, three times: Great Expectations, our SQL, and plain Python agree, and no value gets out."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.declared import DELIVERY, column, contract, site_of, write_agreement, write_feed
from tests.support.oracle import Keys, Row, broken_lines

from kinbridge.check.suites import compile_suites
from kinbridge.contract.model import FILE_KINDS, Feed, Kind
from kinbridge.contract.odcs import feed_of
from kinbridge.contract.rules import rules
from kinbridge.errors import KinbridgeError
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import stage
from kinbridge.validation.documents import keep_result
from kinbridge.validation.expectations import Outcome, run_suite
from kinbridge.validation.findings import find
from kinbridge.warehouse.connection import transaction

AS_OF = date(2026, 6, 30)
EVERY, SINGLE = "atlas/every_v1", "atlas/single_v1"

# Column, its type and what its contract says, and texts: some that hold, some that break, some at the very bounds.
COLUMNS: dict[str, tuple[str, list[str], list[str]]] = {
    "k1": (
        "string",
        ["required: true", "primaryKey: true", "primaryKeyPosition: 1"],
        ["K1", "K2", "K3", " K1", "K'4", ""],
    ),
    "k2": ("string", ["primaryKey: true", "primaryKeyPosition: 2"], ["1", "2", "3", "4\t", "", " "]),
    "iso": (
        "date",
        ["logicalTypeOptions: { format: yyyy-MM-dd, minimum: '1900-01-02', maximum: asOf }"],
        [
            "1900-01-01",
            "1900-01-02",
            "2026-06-30",
            "2026-07-01",
            "2024-02-29",
            "2023-02-29",
            "2100-02-29",
            "2000-02-29",
            "2026-6-30",
            "2026-13-01",
            "0000-01-01",
            "epoch",
            "infinity",
            "2026-06-30 ",
            "",
            "1987-03-17",
            "20260101",
        ],
    ),
    "us": (
        "date",
        ["logicalTypeOptions: { format: MM/dd/yyyy, minimum: '2020-01-01' }"],
        [
            "01/31/2026",
            "31/01/2026",
            "12/31/2019",
            "01/01/2020",
            "02/29/2024",
            "02/29/2025",
            "1/1/2026",
            "",
            "03/17/1987",
        ],
    ),
    "compact": (
        "date",
        ["logicalTypeOptions: { format: yyyyMMdd, maximum: '2026-01-01' }"],
        ["20260101", "20260102", "20240229", "20250229", "00000000", "99999999", "2026010", "", "19870317", "٢٠٢٦٠١٠١"],
    ),
    "plain": (
        "date",
        ["logicalTypeOptions: { format: MMddyyyy }"],
        ["01312026", "31012026", "02292024", "02292023", "", "x"],
    ),
    "whole": (
        "integer",
        ["logicalTypeOptions: { minimum: 5, maximum: 480 }"],
        [
            "4",
            "5",
            "480",
            "481",
            "+7",
            "-7",
            "007",
            "7.0",
            "1e2",
            "",
            "999999999999999999",
            "9999999999999999999",
            "٣",
            "0x10",
        ],
    ),
    "amount": (
        "number",
        ["logicalTypeOptions: { minimum: -1.5, maximum: 99.1 }"],
        [
            "-1.5",
            "-1.51",
            "99.1",
            "99.10",
            "99.1000000001",
            "7",
            "7.",
            ".7",
            "NaN",
            "Infinity",
            "1,000",
            "",
            "987654321012.5",
        ],
    ),
    "color": (
        "string",
        [
            "required: true",
            "customProperties:",
            "  - { property: codeSet, value: codes/color.csv }",
            "  - { property: severity, value: { code_set: critical, presence: warning } }",
        ],
        ["R", "G", "it's", "r", "X", "", " R ", "R,G"],
    ),
    "sex": (
        "string",
        ["customProperties:", "  - { property: codeSet, value: standard/sex }"],
        ["Male", "Female", "M", ""],
    ),
    "zip": (
        "string",
        ["logicalTypeOptions: { pattern: '^[0-9]{5}(-[0-9]{4})?$' }"],
        [
            "01234",
            "01234-5678",
            "1234",
            "01234-",
            "012345",
            "01234\n",
            "x\n01234",
            "",
            "97531-8642 canary",
            "100%",
            ":a",
        ],
    ),
    "ssn": (
        "string",
        [
            "logicalTypeOptions: { pattern: '^[0-9]{3}-[0-9]{2}-[0-9]{4}$' }",
            "customProperties:",
            "  - { property: placeholders, value: ['000-00-0000', 'N/A', \"it's\"] }",
        ],
        ["123-45-6789", "000-00-0000", "N/A", "n/a", "it's", "", "900-12-3456"],
    ),
    "parent": ("string", [], ["P1", "P2", "P9", "", " P1", "Canary Zebedee"]),
    "child": ("string", [], ["C1", "C2", "C9", ""]),
    "op": ("string", [], ["", "I", "U", "K", "K ", "D", "k"]),
    "old": ("string", [], ["K1", "K9", "K7", "", "K8 "]),
    "head": ("string", [], ["K1", "K2", "K9", "K5", "", "K'4"]),
    "begin": (
        "date",
        ["logicalTypeOptions: { format: yyyy-MM-dd }"],
        ["2026-01-01", "2026-01-05", "2026-01-09", "2026-02-01", "2026-13-01", ""],
    ),
    "end": (
        "date",
        ["logicalTypeOptions: { format: yyyy-MM-dd }"],
        ["2026-01-01", "2026-01-05", "2026-01-08", "2026-02-01", "someday", ""],
    ),
    "first": (
        "string",
        ["customProperties: [{ property: personName, value: first }]"],
        ["Ana", "MARY ANN", "Zoe-May", "Will", "", "J", "An"],
    ),
    "last": (
        "string",
        ["customProperties: [{ property: personName, value: last }]"],
        ["Le", "De La Cruz", "Smith-Jones", "O'Neil", "", "Do"],
    ),
    "remark": (
        "string",
        ["customProperties: [{ property: noNames, value: true }]"],
        [
            "Ana",
            "an le",
            "will call",
            "asked\tmary, then left",
            "SMITH, A.",
            "do as told",
            "by Mr. Jones",
            "mrs jones came",
            "O'Neil",
            "Cruz2",
            "anagram",
            "J",
            "Dr  Who",
            "7-7",
            "",
            "J, A.",
        ],
    ),
    "memo": (
        "string",
        ["customProperties: [{ property: noNames, value: listed }]"],
        [
            "spoke with Kathy Bloggs.",
            "Bloggs, Kathy",
            "(Kathy Bloggs)",
            "kathy bloggs",
            "Kathy called",
            "Polk, Oregon",
            "",
        ],
    ),
    "note": ("string", [], ["", "zqcanaryzq", "line\nbreak", '"quoted"', "'; DROP TABLE x; --", "\\."]),
}
TABLE = """\
    customProperties:
      - property: dateOrder
        value: [{ earlier: iso, later: us }, { earlier: us, later: plain }]
      - property: references
        value:
          - { feed: atlas/single_v1, columns: { parent: id } }
          - { feed: atlas/single_v1, columns: { parent: id, child: other } }
          - { feed: atlas/every_v1, columns: { head: k1 } }
      - property: spells
        value:
          - { subject: [k1, child], within: [parent], begins: begin, ends: end }
          - { subject: [child], begins: iso, ends: end, severity: critical }
      - property: consistent
        value:
          - { by: [k1, parent], columns: [whole, color, begin, amount] }
          - { by: [child], columns: [sex], severity: critical }
    quality: [{ id: rows, type: library, metric: rowCount, mustBeBetween: [1, 100000] }]
"""
KNOWN: dict[str, Keys] = {
    "parent.reference": {("P1",), ("P2",)},
    "parent__child.reference": {("P1", "C1"), ("P2", "C2")},
    "head.reference": {("K5",)},
    "old.former_key": {("K8", "1"), ("K9", "2"), ("K7", "3")},
}
# Whose keys these are, and what the columns are called there.
WHOSE = {
    "parent.reference": ("atlas/single_v1", "id"),
    "parent__child.reference": ("atlas/single_v1", "id,other"),
    "head.reference": ("atlas/every_v1", "k1"),
    "old.former_key": ("atlas/every_v1", "k1,k2"),
}
DELTA = "0.5, kind: delta, change: { column: op, delete: [D], rekey: [K], formerKey: { k1: old } }"
# Texts of the file that no declaration has: found anywhere in the project's folder, they have leaked.
CANARIES = [
    "1987-03-17",
    "03/17/1987",
    "19870317",
    "987654321012",
    "97531-8642",
    "900-12-3456",
    "Zebedee",
    "zqcanaryzq",
    "DROP TABLE",
    "999999999999999999",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as include:
        every = [column(name, kind, *lines) for name, (kind, lines, _) in COLUMNS.items()]
        codes = {"color.csv": "code,note\nG,\nR,\nit's,\n"}
        write_feed(include, EVERY, contract(EVERY, *every, table=TABLE, delivery=DELIVERY, share=DELTA), "", codes)
        single = [column("id", "string", "primaryKey: true"), column("other")]
        write_feed(include, SINGLE, contract(SINGLE, *single, delivery=DELIVERY))
        write_agreement(include, "atlas", {EVERY: list(COLUMNS), SINGLE: ["id", "other"]})
        compile_suites()
        yield include


@pytest.fixture(scope="module")
def known_keys(warehouse: Any) -> None:
    """What the sibling feed, and the feed itself, have delivered before."""
    warehouse.query(
        "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, as_of, contract_version, "
        "agreement_id, agreement_version) VALUES ('atlas', 'atlas/single_v1', 'f', 1, 'x', '2026-01-01', '1', 'a', '1')"
    )
    for rule, keys in KNOWN.items():
        for key in keys:
            warehouse.query(
                "INSERT INTO record.reference_key SELECT %s, %s, %s, max(delivery_id) FROM ledger.delivery",
                (*WHOSE[rule], list(key)),
            )


@dataclass(frozen=True)
class Validated:
    """One staged table, and the count of each rule by each of the three."""

    feed: Feed
    outcome: Outcome
    found: dict[str, int]
    lines: dict[str, set[int]]
    expected: dict[str, set[int]]
    rows: int


def write_rows(path: Path, names: list[str], rows: list[list[str]]) -> dict[int, tuple[str, Row]]:
    """Write the rows; returns them by line. A row with fewer cells than names is ragged."""
    lines = {}
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(names)
        line = 2
        for row in rows:
            padded: Row = dict(zip(names, [*row, *[""] * len(names)], strict=False))
            lines[line] = ("whole" if len(row) == len(names) else "ragged", padded)
            writer.writerow(row)
            line += 1 + sum(cell.count("\n") for cell in row)
    return lines


def validated(warehouse: Any, folder: Path, feed_id: str, number: int, rows: list[list[str]]) -> Validated:
    feed = feed_of(feed_id)
    lines = write_rows(folder / f"{number}.csv", [c.name for c in feed.columns], rows)
    landing, chosen = Landing(feed, feed.columns, number), rules(feed, feed.columns)
    with transaction(warehouse.pipeline) as connection, connection.cursor() as cursor:
        stage(cursor, folder / f"{number}.csv", feed, feed.columns, number)
        found = find(cursor, landing, chosen, AS_OF)
        by_rule = found_lines(cursor, number)
    outcome = run_suite(warehouse.pipeline.sqlalchemy_url, feed, landing.view_name, AS_OF)
    return Validated(feed, outcome, found, by_rule, broken_lines(feed, chosen, lines, AS_OF, KNOWN), len(rows))


def found_lines(cursor: Any, delivery_id: int) -> dict[str, set[int]]:
    cursor.execute("SELECT rule, line_no FROM ledger.finding WHERE delivery_id = %s", (delivery_id,))
    lines: dict[str, set[int]] = {}
    for rule, line in cursor.fetchall():
        lines.setdefault(rule, set()).add(line)
    return lines


@pytest.fixture(scope="module")
def every(site: Path, known_keys: None, warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Validated:
    """Each text of each column at least once, then a few hundred random rows, repeats and ragged rows among them."""
    chance = random.Random(7)
    pools = [texts for _, _, texts in COLUMNS.values()]
    rows = [[pool[n % len(pool)] for pool in pools] for n in range(40)]
    rows += [[chance.choice(pool) for pool in pools] for _ in range(260)]
    rows += [list(chance.choice(rows)) for _ in range(20)]
    rows += [row[: chance.randrange(1, len(row))] for row in rows[:20]]
    return validated(warehouse, tmp_path_factory.mktemp("rows"), EVERY, 901, rows)


def test_every_kind_of_rule_is_there_and_each_is_broken_by_some_rows_and_kept_by_others(every: Validated) -> None:
    chosen = [rule for rule in rules(every.feed, every.feed.columns) if rule.scope == "row"]
    assert {rule.kind for rule in chosen} == set(Kind) - FILE_KINDS - {Kind.UNMAPPED}
    counts = {rule.id: len(every.expected[rule.id]) for rule in chosen}
    assert [rule for rule, count in counts.items() if not 0 < count < every.rows] == []


def test_our_findings_are_the_rows_that_break_each_rule(every: Validated) -> None:
    assert every.lines == {rule: lines for rule, lines in every.expected.items() if lines}
    assert every.found == {rule: len(lines) for rule, lines in every.expected.items()}


def test_great_expectations_counts_the_same_for_every_rule(every: Validated) -> None:
    row_rules = {rule: count for rule, count in every.outcome.counts.items() if not rule.startswith("file.")}
    assert row_rules == every.found
    assert every.outcome.counts["file.row_count"] == 0


def test_a_key_of_one_column_and_a_table_without_a_row(
    site: Path, known_keys: None, warehouse: Any, tmp_path: Path
) -> None:
    rows = [["A", "1"], ["A", "2"], ["A ", "3"], ["B", "1"], ["B", "1"], ["", "1"], ["", "2"], [" ", ""], ["C", ""]]
    single = validated(warehouse, tmp_path, SINGLE, 902, rows)
    assert single.found == {"row.shape": 0, "id.unique": 3} == single.outcome.counts
    assert single.lines == {"id.unique": {2, 3, 4}}
    empty = validated(warehouse, tmp_path, SINGLE, 903, [])
    assert empty.found == {"row.shape": 0, "id.unique": 0} == empty.outcome.counts


def test_results_and_data_docs_hold_no_value_of_the_file(every: Validated, site: Path, warehouse: Any) -> None:
    folder = site.parent / "great_expectations"
    settings_before = (folder / "great_expectations.yml").read_bytes()
    suites_before = {path: path.read_bytes() for path in (folder / "expectations").rglob("*") if path.is_file()}
    keep_result(every.feed, 901, every.outcome.result)
    assert (folder / "great_expectations.yml").read_bytes() == settings_before
    assert {path: path.read_bytes() for path in (folder / "expectations").rglob("*") if path.is_file()} == suites_before
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {".json", ".html"} <= {path.suffix for path in files if "uncommitted" in path.parts}
    everything = {path: path.read_text(encoding="utf-8", errors="replace") for path in files}
    page = next(text for path, text in everything.items() if "delivery-901" in str(path) and path.suffix == ".html")
    assert "iso" in page
    secrets = [*CANARIES, warehouse.pipeline.password, "postgresql", warehouse.pipeline.database]
    leaks = [(str(path), secret) for path, text in everything.items() for secret in secrets if secret in text]
    assert leaks == []


def test_the_canaries_are_in_the_file(every: Validated) -> None:
    """Else finding none of them would mean nothing."""
    texts = [text for _, _, pool in COLUMNS.values() for text in pool]
    assert all(any(canary in text for text in texts) for canary in CANARIES)


def test_a_rule_that_cannot_be_evaluated_is_no_pass(site: Path, every: Validated, warehouse: Any) -> None:
    """Here the suite's columns are not in the table."""
    with pytest.raises(KinbridgeError, match="KB-F91"):
        run_suite(warehouse.pipeline.sqlalchemy_url, feed_of(SINGLE), Landing(every.feed, (), 901).view_name, AS_OF)


def test_a_feed_without_a_suite_is_not_validated(site: Path, warehouse: Any) -> None:
    suite = site.parent / "great_expectations" / "expectations" / "atlas__single_v1.json"
    text = suite.read_text(encoding="utf-8")
    suite.unlink()
    try:
        with pytest.raises(KinbridgeError, match="KB-F92"):
            run_suite(warehouse.pipeline.sqlalchemy_url, feed_of(SINGLE), "x", AS_OF)
    finally:
        suite.write_text(text, encoding="utf-8")


rows_of_every = st.lists(
    st.tuples(*(st.sampled_from(texts) for _, _, texts in COLUMNS.values())).flatmap(
        lambda row: st.sampled_from([row, row, row, row[:-1], row[:1]])
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_every, repeated=st.booleans())
@pytest.mark.usefixtures("site", "known_keys")
def test_small_tables_of_any_content(
    pipeline: Any, tmp_path: Path, rows: list[tuple[str, ...]], repeated: bool
) -> None:
    feed = feed_of(EVERY)
    chosen = rules(feed, feed.columns)
    table = [list(row) for row in (rows + rows[:2] if repeated else rows)]
    lines = write_rows(tmp_path / "rows.csv", [c.name for c in feed.columns], table)
    with pipeline.cursor() as cursor:
        stage(cursor, tmp_path / "rows.csv", feed, feed.columns, 77)
        find(cursor, Landing(feed, feed.columns, 77), chosen, AS_OF)
        found = found_lines(cursor, 77)
    pipeline.rollback()
    assert found == {rule: broken for rule, broken in broken_lines(feed, chosen, lines, AS_OF, KNOWN).items() if broken}
