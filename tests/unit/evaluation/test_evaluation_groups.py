"""What is shown of subgroups, and what is flagged."""

from __future__ import annotations

from kinbridge.evaluation.groups import Group, flagged, shown
from kinbridge.evaluation.interval import Share, wilson


def group(name: str, records: int, less: Share | None = None, dimension: str = "sex") -> Group:
    share = wilson(0.9, records)
    return Group(dimension, name, records, share, share, recall_less=less or Share(0.0, -0.1, 0.1))


def test_small_groups_are_not_shown() -> None:
    assert [one.name for one in shown([group("a", 500), group("b", 11), group("c", 10), group("d", 4)])] == ["a", "b"]


def test_one_small_group_cannot_be_reckoned_from_the_total() -> None:
    # 521 in all less 500 and 11 would be 10.
    assert [one.name for one in shown([group("a", 500), group("b", 11), group("c", 10)])] == ["a"]


def test_few_records_that_say_nothing_hide_nobody() -> None:
    found = shown([group("double", 30), group("one name", 500), group("not known", 3)])
    assert [one.name for one in found] == ["double", "one name"]


def test_dimensions_do_not_hide_each_other() -> None:
    found = shown([group("a", 500), group("b", 5), group("x", 300, dimension="age"), group("y", 205, dimension="age")])
    assert [one.name for one in found] == ["x", "y"]


def test_clearly_lower_needs_the_whole_interval_and_a_point() -> None:
    sure, unsure, tiny = Share(-0.05, -0.09, -0.02), Share(-0.05, -0.2, 0.01), Share(-0.004, -0.006, -0.002)
    found = flagged([group("a", 99, sure), group("b", 99, unsure), group("c", 99, tiny)])
    assert [(one.name, one.flags) for one in found] == [("a", ("recall",))]
