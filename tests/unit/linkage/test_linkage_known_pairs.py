"""Learning from what people said: arithmetic of known pairs in expectation maximisation, and who is held out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.known_pairs import SCHEMA, note_decided
from kinbridge.linkage.training import Patterns, maximise


def test_known_pairs_are_not_guessed() -> None:
    # One comparison of two levels that says little. Known: 30 matches agree and 10 do not, 60 pairs of two people
    # differ. m = (30 + what it was before) / (40 + 1) = (30 + 0.5) / 41, step by step nearer to 30/40.
    patterns = Patterns(np.array([[1], [2], [2]]), np.array([30.0, 10.0, 60.0]))
    fixed = np.array([1.0, 1.0, 0.0])
    learnt, matches = maximise(patterns, {0: np.array([0.5, 0.5])}, {0: np.array([0.5, 0.5])}, {0: [1.0, 1.0]}, fixed)
    assert matches == pytest.approx(40)
    assert learnt[0][0] == pytest.approx(0.75, abs=0.01)


def test_labels_correct_what_guessing_gets_wrong() -> None:
    # Siblings: half of the pairs agree in the first comparison and differ in the second, and people said that they are
    # two. Guessing takes the larger cluster for the matches; with labels, m of the second comparison is right.
    levels = np.array([[1, 1], [1, 2], [2, 2]])
    start = {0: np.array([0.9, 0.1]), 1: np.array([0.6, 0.4])}
    by_chance = {0: np.array([0.1, 0.9]), 1: np.array([0.3, 0.7])}
    most = {0: [1.0, 1.0], 1: [1.0, 1.0]}
    guessed, _ = maximise(Patterns(levels, np.array([100.0, 300.0, 50.0])), start, by_chance, most)
    told, _ = maximise(
        Patterns(np.concatenate([levels, levels[1:2]]), np.array([100.0, 0.0, 50.0, 300.0])),
        start,
        by_chance,
        most,
        np.array([np.nan, np.nan, np.nan, 0.0]),
    )
    assert guessed[1][1] > 0.5
    assert told[1][1] < 0.1


def decided(rows: list[tuple[str, str, str, str, str]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def noted(table: pa.Table, test: float = 0.25, people: int = 400) -> dict[tuple[int, int], tuple[bool, bool]]:
    records = pa.table(
        {
            "record": list(range(1, 2 * people + 1)),
            "source": ["a"] * people + ["b"] * people,
            "source_person_id": [str(number) for number in range(people)] * 2,
        }
    )
    with DuckDBEngine() as engine:
        engine.give("given", records)
        engine.make("cleaned", "SELECT * FROM given")
        note_decided(engine, table, test)
        return {
            (one, other): (same, held)
            for one, other, same, held in engine.rows("SELECT l, r, same, held_out FROM decided")
        }


def test_the_declared_share_is_held_out_whichever_way_round() -> None:
    pairs = [("a", str(number), "b", str(number), "same") for number in range(400)]
    found = noted(decided(pairs))
    turned = noted(decided([(b, y, a, x, label) for a, x, b, y, label in pairs]))
    assert found == turned
    held = {pair for pair, (_, held) in found.items() if held}
    assert 70 <= len(held) <= 130
    # What tests with one share tests with a larger one too.
    more = {pair for pair, (_, held) in noted(decided(pairs), test=0.5).items() if held}
    assert held < more
    assert 160 <= len(more) <= 240
    assert not any(held for _, held in noted(decided(pairs), test=0.0).values())


def test_more_decisions_do_not_move_the_held_out() -> None:
    pairs = [("a", str(number), "b", str(number), "different") for number in range(400)]
    few, many = noted(decided(pairs[:50])), noted(decided(pairs))
    assert all(many[pair] == said for pair, said in few.items())


def test_unsure_disputed_and_unknown_pairs_teach_nothing() -> None:
    found = noted(
        decided(
            [
                ("a", "1", "b", "1", "unsure"),
                ("a", "2", "b", "2", "same"),
                ("b", "2", "a", "2", "different"),
                ("a", "nobody", "b", "3", "same"),
                ("a", "4", "b", "4", "same"),
                ("a", "5", "b", "5", "same"),
                ("b", "5", "a", "5", "unsure"),
                ("a", "6", "a", "6", "same"),
            ]
        )
    )
    assert list(found) == [(5, 405)]
