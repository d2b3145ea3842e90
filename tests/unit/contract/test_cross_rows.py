"""Rules over several rows, as contracts declare them: what they come to, and each mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.declared import column, contract, site_of, write_feed

from kinbridge.contract.model import Consistency, Feed, Kind, Reference, Spells
from kinbridge.contract.odcs import ContractError, read_feed
from kinbridge.contract.rules import fault_rules, rules
from kinbridge.contract.sql import fault_name

FEED = "atlas/rows_v1"
DAY = "logicalTypeOptions: { format: yyyy-MM-dd }"
LAST = "authoritativeDefinitions: [{ url: 'http://ceds.ed.gov/terms#P000172', type: businessDefinition }]"
CHANGE = "0.1, kind: delta, change: { column: op, rekey: [K], formerKey: { id: old } }"


def properties(**given: str) -> str:
    lines = "".join(f"      - {{ property: {name}, value: {value} }}\n" for name, value in given.items())
    return f"    customProperties:\n{lines}"


def own(**given: str) -> str:
    listed = ", ".join(f"{{ property: {name}, value: {value} }}" for name, value in given.items())
    return f"customProperties: [{listed}]"


COLUMNS = (
    column("id", "string", "required: true", "primaryKey: true"),
    column("old"),
    column("op"),
    column("member"),
    column("program"),
    column("begins", "date", DAY),
    column("ends", "date", DAY),
    column("surname", "string", LAST),
)


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with site_of(tmp_path_factory.mktemp("site")) as folder:
        yield folder


def read(include: Path, table: str = "", *columns: str, share: str = CHANGE) -> Feed:
    text = contract(FEED, *COLUMNS, *columns, table=table, share=share)
    return read_feed(write_feed(include, FEED, text) / "contract.odcs.yaml")


EVERYTHING = properties(
    spells="[{ subject: [member], within: [program], begins: begins, ends: ends, severity: critical }]",
    consistent="[{ by: [member], columns: [program, surname] }]",
    references="[{ feed: atlas/rows_v1, columns: { member: id } }]",
)


def test_what_a_contract_says_of_several_rows_and_the_rules_that_follow(include: Path) -> None:
    feed = read(include, EVERYTHING, column("remark", "string", own(noNames="true")))
    assert feed.spells == (Spells(("member",), ("program",), "begins", "ends", "critical"),)
    assert feed.consistencies == (Consistency(("member",), ("program", "surname")),)
    assert feed.former_reference == Reference("atlas/rows_v1", ("old",), ("id",))
    found = {rule.id: (rule.code, rule.severity, rule.columns) for rule in fault_rules(feed, feed.columns)}
    assert found == {
        "remark.personal_name": ("KB-R14", "warning", ("remark",)),
        "member.reference": ("KB-R09", "critical", ("member",)),
        "begins__ends.overlap": ("KB-R12", "critical", ("member", "program", "begins", "ends")),
        "member__program.consistent": ("KB-R13", "warning", ("member", "program")),
        "member__surname.consistent": ("KB-R13", "warning", ("member", "surname")),
        "old.former_key": ("KB-R15", "warning", ("old",)),
    }
    assert {fault_name(rule) for rule in fault_rules(feed, feed.columns)} >= {"begins__ends__overlap"}


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ("member", {"member.reference", "begins__ends.overlap", "member__program.consistent"}),
        ("program", {"begins__ends.overlap", "member__program.consistent"}),
        ("surname", {"member__surname.consistent"}),
        ("old", {"old.former_key"}),
        ("op", {"old.former_key"}),
        ("id", {"old.former_key", "member.reference"}),
    ],
)
def test_what_is_not_read_is_not_judged(include: Path, without: str, gone: set[str]) -> None:
    feed = read(include, EVERYTHING)
    kept = {rule.id for rule in rules(feed, feed.authorised({c.name for c in feed.columns} - {without}))}
    assert gone.isdisjoint(kept)
    assert gone <= {rule.id for rule in rules(feed, feed.columns)}


def test_a_column_holds_a_name_by_its_term_or_by_its_property(include: Path) -> None:
    feed = read(include, "", column("given", "string", own(personName="first")), column("note"))
    assert {c.name: c.person_name for c in feed.columns if c.person_name} == {"surname": "last", "given": "first"}


def test_the_list_of_given_names_is_looked_at_only_where_the_contract_asks_for_it(include: Path) -> None:
    feed = read(include, "", column("a", "string", own(noNames="listed")), column("b", "string", own(noNames="true")))
    assert feed.column("a").no_names
    assert "abigail" in feed.column("a").listed_names
    assert feed.column("b").listed_names == ()


def test_a_key_that_names_somebody_is_refused_since_it_cannot_be_left_empty(include: Path) -> None:
    severity = "{ personal_name: critical }"
    key = column("other", "string", "primaryKey: true", "primaryKeyPosition: 2", own(noNames="true", severity=severity))
    feed = read(include, "", key, share="0.1")
    assert feed.column("other").severity_of(Kind.PERSONAL_NAME) == "critical"


SPELL = "subject: [member], begins: begins, ends: ends"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (properties(spells="{ subject: [member] }"), "spells is a list"),
        (properties(spells="[{ begins: begins, ends: ends }]"), "spells.subject is a list of columns"),
        (properties(spells="[{ subject: member, begins: begins, ends: ends }]"), "spells.subject is a list of columns"),
        (properties(spells="[{ subject: [what], begins: begins, ends: ends }]"), "spells.subject names 'what'"),
        (properties(spells=f"[{{ {SPELL}, within: [what] }}]"), "spells.within names 'what'"),
        (properties(spells="[{ subject: [member], begins: op, ends: ends }]"), "spells names 'op', which is no date"),
        (properties(spells="[{ subject: [member], begins: ends, ends: ends }]"), "two dates that no other entry has"),
        (properties(spells=f"[{{ {SPELL} }}, {{ {SPELL} }}]"), "two dates that no other entry has"),
        (properties(spells=f"[{{ {SPELL}, severity: bad }}]"), "spells.severity is critical or warning"),
        (properties(spells=f"[{{ {SPELL}, inside: [op] }}]"), "spells knows no 'inside'"),
        (properties(consistent="[{ columns: [op] }]"), "consistent.by is a list of columns"),
        (properties(consistent="[{ by: [member], columns: [] }]"), "consistent.columns is a list of columns"),
        (properties(consistent="[{ by: [member], columns: [what] }]"), "consistent.columns names 'what'"),
        (properties(consistent="[{ by: [member], columns: [member] }]"), "consistent names 'member' twice"),
        (
            properties(consistent="[{ by: [member], columns: [op] }, { by: [member], columns: [op] }]"),
            "consistent names 'op' twice",
        ),
        (properties(consistant="[]"), "the property 'consistant' is not known; 'consistent' is"),
    ],
)
def test_each_mistake_of_the_table_is_told_once_with_its_line(include: Path, table: str, problem: str) -> None:
    assert_problem(include, problem, "property: ", table)


@pytest.mark.parametrize(
    ("given", "kind", "problem"),
    [
        ({"noNames": "maybe"}, "string", "the noNames of 'extra' is true, false or listed"),
        ({"noNames": "true"}, "integer", "noNames is for text that is no name itself, not for 'extra'"),
        ({"noNames": "true", "personName": "last"}, "string", "noNames is for text that is no name itself"),
        ({"personName": "middle"}, "string", "the personName of 'extra' is first or last"),
    ],
)
def test_each_mistake_of_a_column_is_told_once_with_its_line(
    include: Path, given: dict[str, str], kind: str, problem: str
) -> None:
    assert_problem(include, problem, "property: ", "", column("extra", kind, own(**given)))


def test_names_are_looked_for_in_a_key_only_where_its_row_is_set_aside(include: Path) -> None:
    key = column("extra", "string", "primaryKey: true", "primaryKeyPosition: 2", own(noNames="true"))
    assert_problem(include, "of the key column 'extra' needs the severity personal_name: critical", "property", "", key)


def assert_problem(include: Path, problem: str, line: str, table: str, *columns: str) -> None:
    with pytest.raises(ContractError) as error:
        read(include, table, *columns, share="0.1")
    [found] = error.value.problems
    assert problem in found.text
    assert found.code == "KB-C02"
    assert line in found.path.read_text(encoding="utf-8").splitlines()[found.line - 1]
