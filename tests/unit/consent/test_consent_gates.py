"""The gates of a day, made of agreements, decisions and use cases: what is open, and the clause for what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.support.gates import FEEDS, barred_from, open_gates, refused, without_agreement

from kinbridge.agreement.reader import read_use_cases
from kinbridge.agreement.uses import uses
from kinbridge.consent.gates import Gates, fingerprint, not_given
from kinbridge.consent.ladder import RULES, Asked, Rule, known, strictest
from kinbridge.integration.outputs import Group, counting_files, group_of
from kinbridge.integration.population import whole_population
from kinbridge.rule.grounds import read_grounds

SERVED = ("children_served", "children_by_characteristic")
SNAP = "snap/participation_v1"


def group(gates: Gates, *outputs: str) -> Group:
    return group_of(outputs or SERVED, (), gates)


def test_the_strictest_rule_wins_and_brings_its_clause() -> None:
    for at, rule in enumerate(RULES):
        for other in RULES[: at + 1]:
            assert strictest([Asked(other, "a"), Asked(rule, "b", "form")]) == Asked(rule, "b", "form")
    assert strictest([Asked("opt_in", "a"), Asked("a rule that nobody knows", "b")]).clause == "b"
    assert known("a rule that nobody knows") == "written"


def test_tables_that_hang_together_have_one_population() -> None:
    both = group(barred_from(open_gates(), "who_and_where", SNAP, "dsa-snap 1.0.0, use_cases"))
    assert SNAP not in both.population.feeds
    assert both.population.use_cases == ("unduplicated_counts", "who_and_where")
    assert both.barred == {SNAP: "dsa-snap 1.0.0, use_cases"}
    assert both.closed == {}


def test_a_closed_table_does_not_narrow_the_open_one() -> None:
    both = group(refused(open_gates(), "who_and_where", "who_and_where, status"))
    assert both.closed == {"children_by_characteristic": "who_and_where, status"}
    assert both.population.feeds == frozenset(FEEDS)
    assert both.population.use_cases == ("unduplicated_counts",)


def test_tables_without_a_common_feed_are_closed() -> None:
    gates = open_gates(FEEDS[:2])
    gates = barred_from(barred_from(gates, "who_and_where", FEEDS[0], "a"), "unduplicated_counts", FEEDS[1], "b")
    assert set(group(gates).closed) == set(SERVED)


def test_a_table_that_no_use_case_names_is_closed() -> None:
    found = group(open_gates(), "a table of its own")
    assert set(found.closed) == {"a table of its own"}
    assert found.population.feeds == frozenset()


def test_what_may_not_be_linked_is_counted_nowhere() -> None:
    gates = replace(open_gates(), linkable=frozenset(FEEDS[:-1]), unlinkable={SNAP: "dsa-snap, linkage.allowed"})
    assert group(gates).barred == {SNAP: "dsa-snap, linkage.allowed"}
    assert whole_population(gates).feeds == frozenset(FEEDS[:-1])


def test_files_that_count_the_same_tables_run_together(tmp_path: Path) -> None:
    texts = {
        "01_a": "-- target: month",
        "02_b": "-- outputs: x, y",
        "03_c": "-- outputs: x, y",
        "04_d": "-- outputs: z",
    }
    files = []
    for name, text in texts.items():
        files.append(tmp_path / f"{name}.sql")
        files[-1].write_text(f"{text}\nSELECT 1", encoding="utf-8")
    assert list(counting_files(files)) == [
        ((), (files[0],)),
        (("x", "y"), (files[1], files[2])),
        (("z",), (files[3],)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        without_agreement(open_gates(), SNAP),
        barred_from(open_gates(), "who_and_where", SNAP),
        refused(open_gates(), "who_and_where"),
        open_gates(rules={"snap": "opt_in"}),
        open_gates(form="another"),
    ],
    ids=["no agreement", "another use", "not approved", "another rule", "another form"],
)
def test_other_gates_have_another_fingerprint(other: Gates) -> None:
    assert fingerprint(other, "said") != fingerprint(open_gates(), "said")


def test_the_same_gates_have_the_same_fingerprint_on_another_day_and_line() -> None:
    moved = replace(open_gates(day=date(2027, 1, 1)), rules=tuple(_moved(rule) for rule in open_gates().rules))
    assert fingerprint(moved, "said") == fingerprint(open_gates(), "said")
    assert fingerprint(moved, "said something else") != fingerprint(open_gates(), "said")


def _moved(rule: Rule) -> Rule:
    return replace(rule, clause=f"{rule.clause} (line 99)")


def test_what_an_agreement_does_not_give_is_left_out_of_what_is_made_of_it() -> None:
    """The project's own: home visiting's amendment took the length of visits back, which the mapping still reads."""
    grounds = read_grounds(None)
    answer = uses(date(2026, 11, 2), grounds.agreements.agreements, read_use_cases(), grounds.agreements.approvals)
    found = {feed: set(elements) for feed, elements in not_given(answer).items() if elements}
    assert found == {"home_visiting/visits_v1": {"service_event.duration_minutes"}}
    [clause] = not_given(answer)["home_visiting/visits_v1"].values()
    assert clause.startswith("dsa-home-visiting 1.1.0, feeds.home_visiting/visits_v1.elements")
    before = uses(date(2026, 6, 1), grounds.agreements.agreements, read_use_cases(), grounds.agreements.approvals)
    assert not any(not_given(before).values())
