"""Person ids: random, stable, and every merge, split and move is listed."""

from __future__ import annotations

import random
from uuid import UUID

import pyarrow as pa
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from kinbridge.linkage.people import ID_SCHEMA, People, assign_people

Members = dict[str, int]


def clusters(members: Members) -> pa.Table:
    return pa.table(
        {
            "source": pa.array(["a" for _ in members], pa.string()),
            "source_person_id": pa.array(list(members), pa.string()),
            "cluster": pa.array(list(members.values()), pa.int64()),
        }
    )


def assign(members: Members, previous: pa.Table | None = None, first: int = 1) -> People:
    numbers = iter(range(first, 10_000))
    before = previous if previous is not None else ID_SCHEMA.empty_table()
    return assign_people(clusters(members), before, new_id=lambda: UUID(int=next(numbers)))


def ids(people: People) -> dict[str, int]:
    rows = people.assignments.to_pylist()
    return {row["source_person_id"]: UUID(row["person_id"]).int for row in rows}


def changes(people: People) -> list[tuple[str, int, int, int]]:
    return [
        (row["kind"], UUID(row["from_person_id"]).int, UUID(row["to_person_id"]).int, row["source_persons"])
        for row in people.changes.to_pylist()
    ]


def test_first_run_gives_each_cluster_an_id_of_its_own() -> None:
    first = assign({"p": 7, "q": 7, "r": 9})
    assert ids(first) == {"p": 1, "q": 1, "r": 2}
    assert changes(first) == []
    assert len(first.new_ids) == 2


def test_ids_are_random_by_default() -> None:
    once, twice = (assign_people(clusters({"p": 1}), ID_SCHEMA.empty_table()) for _ in range(2))
    assert once.new_ids != twice.new_ids
    assert UUID(once.new_ids[0]).version == 4


def test_merge_keeps_the_id_that_most_had() -> None:
    first = assign({"p": 1, "q": 2, "r": 2})
    second = assign({"p": 1, "q": 1, "r": 1}, first.assignments, first=100)
    assert ids(second) == {"p": 2, "q": 2, "r": 2}
    assert changes(second) == [("merged", 1, 2, 1)]
    assert second.counts() == {"merged": 1, "split": 0, "moved": 0}


def test_split_leaves_the_id_with_most_and_makes_a_new_one() -> None:
    first = assign({"p": 1, "q": 1, "r": 1})
    second = assign({"p": 5, "q": 6, "r": 6}, first.assignments, first=100)
    assert ids(second) == {"p": 100, "q": 1, "r": 1}
    assert changes(second) == [("split", 1, 100, 1)]


def test_move_between_two_that_live_on() -> None:
    first = assign({"p": 1, "q": 1, "r": 1, "s": 2, "t": 2})
    second = assign({"p": 1, "q": 1, "r": 2, "s": 2, "t": 2}, first.assignments, first=100)
    assert ids(second) == {"p": 1, "q": 1, "r": 2, "s": 2, "t": 2}
    assert changes(second) == [("moved", 1, 2, 1)]


def test_newcomer_takes_the_id_of_its_cluster() -> None:
    first = assign({"p": 1})
    second = assign({"p": 1, "new": 1}, first.assignments, first=100)
    assert ids(second) == {"p": 1, "new": 1}
    assert second.new_ids == ()


populations = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 5), max_size=12)


@rules(max_examples=15, deadline=None)
@given(populations, populations, st.randoms(use_true_random=False))
def test_ids_are_stable_whatever_the_order_and_the_labels(
    before: Members, after: Members, chance: random.Random
) -> None:
    first = assign(before)
    second = assign(after, first.assignments, first=100)
    # One id for each cluster, one cluster for each id.
    found = ids(second)
    assert len({(after[who], found[who]) for who in after}) == len(set(after.values())) == len(set(found.values()))
    # The same clusters again, shuffled and under other labels: nothing changes, and nothing is new.
    shuffled = list(after)
    chance.shuffle(shuffled)
    again = assign({who: 50 - after[who] for who in shuffled}, second.assignments, first=200)
    assert ids(again) == found
    assert again.new_ids == ()
    assert changes(again) == []
    # Shuffling the first change has no influence on it either.
    other = assign({who: after[who] for who in shuffled}, first.assignments, first=100)
    assert changes(other) == changes(second)
    assert ids(other) == found
    # Every source person that left an id is accounted for by one change.
    kept = ids(first)
    left = sum(1 for who in after if who in kept and kept[who] != found[who])
    assert sum(row[3] for row in changes(second)) == left
    # A merged id has nobody left, and it has one survivor.
    merged = [row[1] for row in changes(second) if row[0] == "merged"]
    assert len(merged) == len(set(merged))
    assert not set(merged) & set(found.values())
