"""How many deliveries one run takes on, and that what it leaves is what a later run finds again by itself."""

from __future__ import annotations

from kinbridge.delivery.collect import MOST_FILES
from kinbridge.delivery.plan import Collected
from kinbridge.receive.collect import MOST_DELIVERIES, Batch, batch

MAP_LENGTH = 1_024  # Airflow's own limit, `[core] max_map_length`


def test_a_run_takes_everything_while_there_is_room() -> None:
    collected = Collected(new=[3, 4], duplicates=[7], unfinished=[1], attested=[5], turned_away=[6])
    assert batch(collected, [2]) == Batch([1, 3, 4, 5, 6, 7, 2])
    assert batch(Collected(new=[3], left=1), []).more


def test_what_is_left_for_later_is_only_what_is_found_again() -> None:
    collected = Collected(new=[20, 21, 22], duplicates=[30, 31], unfinished=[10, 11])
    assert batch(collected, [40], most=4) == Batch([10, 11, 30, 31], more=True)
    assert batch(collected, [40], most=6) == Batch([10, 11, 20, 21, 30, 31], more=True)
    assert batch(Collected(duplicates=[30, 31, 32]), [40], most=2) == Batch([30, 31, 32], more=True)


def test_no_run_maps_more_than_airflow_takes() -> None:
    thousands = list(range(10_000))
    assert (
        len(batch(Collected(new=thousands[:MOST_FILES], unfinished=thousands), thousands).deliveries) == MOST_DELIVERIES
    )
    assert MOST_DELIVERIES < MAP_LENGTH
    # Settled deliveries are met once, so they are never cut; a run registers few enough of them.
    assert MOST_FILES < MOST_DELIVERIES
