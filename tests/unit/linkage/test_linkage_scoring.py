"""Pairs scored by a trained model: as Splink would have it, and by the two records alone."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from kinbridge.linkage.clean import clean
from kinbridge.linkage.columns import INPUT_COLUMNS
from kinbridge.linkage.comparing import compare
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.frequencies import add_rarity
from kinbridge.linkage.learning import Learnt, learn
from kinbridge.linkage.ledger.verdict import refuse
from kinbridge.linkage.model import Model, read_model
from kinbridge.linkage.scoring import score
from kinbridge.linkage.trained import content_digest, evidence, from_plain, to_plain

SCHEMA = pa.schema([(name, pa.date32() if name == "birth_date" else pa.string()) for name in INPUT_COLUMNS])
FIRST = ("Olivia", "Livia", "José María", "Katie", "Catherine", "Noah", "N", "Baby Boy")
EVERY_PAIR = "FROM cleaned AS a INNER JOIN cleaned AS b ON a.record < b.record"
LAST = ("Abernathy", "Abernethy", "García-López", "García", "Olivia")


def rows() -> list[dict[str, Any]]:
    chance = random.Random(8)
    made = []
    for number in range(120):
        born = date(2015 + chance.randrange(6), 1 + chance.randrange(12), 1 + chance.randrange(12))
        made.append(
            {
                "source": chance.choice(("medicaid", "snap")),
                "source_person_id": f"{number}",
                "first_name": chance.choice(FIRST),
                "middle_name": chance.choice((None, "Ann", "A")),
                "last_name": chance.choice(LAST),
                "birth_date": chance.choice((born, date(2019, 3, 4), None)),
                "sex": chance.choice(("Male", "Female", None)),
                "ssn": chance.choice((None, "412331001", "412331002", "412331010")),
                "phone": chance.choice((None, "555 201 4432")),
                "address_line": chance.choice((None, "12 Larch Street", "12 Larch Avenue", "9 Alder St Apt 2")),
                "city": "Thornwick",
                "postal_code": "99001",
                "family_key": chance.choice((None, "F1", "F2")),
            }
        )
    return made


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model()


@pytest.fixture(scope="module")
def learnt(model: Model) -> Learnt:
    with DuckDBEngine() as engine:
        return learn(engine, model, clean(engine, pa.Table.from_pylist(rows(), SCHEMA), model))


def test_levels_are_those_of_splink(model: Model, learnt: Learnt) -> None:
    comparisons = learnt.trained.declared(model)
    columns = ", ".join(f"c{index}" for index in range(len(comparisons)))
    with DuckDBEngine() as engine:
        connection = engine.connection
        count = clean(engine, pa.Table.from_pylist(rows(), SCHEMA), model)
        add_rarity(connection, learnt.frequencies, learnt.trained.unseen)
        connection.execute(
            f"CREATE TABLE candidate AS SELECT a.record AS l, b.record AS r, 0::UTINYINT AS rule {EVERY_PAIR}"
        )
        score(connection, model, learnt.trained)
        ours = connection.execute(f"SELECT l, r, {columns} FROM scored ORDER BY l, r").fetchall()
        connection.execute(
            "CREATE OR REPLACE TABLE candidate AS"
            f" SELECT '0' AS match_key, a.record AS join_key_l, b.record AS join_key_r {EVERY_PAIR}"
        )
        compare(engine, model, comparisons, count, 1)
        theirs = connection.execute(f"SELECT l, r, {columns} FROM compared WHERE rule = 0 ORDER BY l, r").fetchall()
    assert len(ours) == 120 * 119 // 2
    assert ours == theirs


def test_weight_depends_on_the_two_records_alone(model: Model, learnt: Learnt) -> None:
    def weights(given: list[dict[str, Any]]) -> dict[tuple[str, str, str, str], float]:
        with DuckDBEngine() as engine:
            connection = engine.connection
            clean(engine, pa.Table.from_pylist(given, SCHEMA), model, learnt.trained.heaps)
            add_rarity(connection, learnt.frequencies, learnt.trained.unseen)
            connection.execute(
                f"CREATE TABLE candidate AS SELECT a.record AS l, b.record AS r, 0::UTINYINT AS rule {EVERY_PAIR}"
            )
            score(connection, model, learnt.trained)
            found = connection.execute(
                "SELECT a.source, a.source_person_id, b.source, b.source_person_id, weight FROM scored"
                " INNER JOIN cleaned AS a ON a.record = l INNER JOIN cleaned AS b ON b.record = r"
            ).fetchall()
        return {(row[0], row[1], row[2], row[3]): row[4] for row in found}

    # Without families and shared numbers, and by the heaped birthdays of the trained model, cleaning looks at one
    # record alone.
    given = [{**row, "family_key": None, "ssn": None} for row in rows()]
    among_all, among_few = weights(given), weights(given[20:50])
    assert len(among_few) == 30 * 29 // 2
    assert all(among_all[pair] == weight for pair, weight in among_few.items())


def test_trained_model_survives_being_written_down(model: Model, learnt: Learnt) -> None:
    again = from_plain(to_plain(learnt.trained))
    assert again == learnt.trained
    assert content_digest(again) == content_digest(learnt.trained)
    values = {value for values in (FIRST, LAST) for value in values if len(value) > 1}
    assert not any(value.upper() in str(to_plain(learnt.trained)).upper() for value in values)


def test_evidence_names_levels_and_leaves_out_what_is_missing(learnt: Learnt) -> None:
    names = learnt.trained.weighed
    said = evidence(learnt.trained.comparisons, [1, *[0] * (len(names) - 1)], [4.25, *[0.0] * (len(names) - 1)])
    assert said == [(names[0], "equal", 4.25)]


@pytest.mark.parametrize(
    ("verdicts", "refused"),
    [
        ([(1, 2, "same", 1), (2, 3, "same", 2)], []),
        ([(1, 2, "same", 1), (2, 3, "same", 2), (1, 3, "different", 3)], [(1, 2)]),
        ([(1, 2, "same", 5), (2, 3, "same", 2), (1, 3, "different", 1)], [(2, 3)]),
        ([(1, 2, "same", 1), (3, 4, "same", 2), (2, 3, "same", 3), (1, 4, "different", 4)], [(1, 2)]),
    ],
)
def test_newer_decisions_go_first_and_no_different_is_broken(
    verdicts: list[tuple[int, int, str, int]], refused: list[tuple[int, int]]
) -> None:
    assert refuse(verdicts) == refused
