"""The policy of the standard: nothing is staged, loaded or replayed by a common schema that nobody approved as it is.

The decision may be missing, or taken back, between two steps of one delivery: each step asks by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.approving import approve
from tests.support.deliveries import TODAY, Intake, visit

from kinbridge.errors import KinbridgeError
from kinbridge.quarantine.replay import replay_delivery
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery
from kinbridge.receive.validate import validate_delivery

ROWS = [visit(n) for n in range(1, 5)]


@contextmanager
def undecided(visits_folder: Path) -> Iterator[None]:
    """The decision on the standard is gone for a while; those on agreement and use case stay."""
    include = visits_folder.parents[3]
    [paper] = (include / "governance" / "decisions").glob("standard_*.yaml")
    paper.unlink()
    try:
        yield
    finally:
        approve(include)


def refused() -> pytest.RaisesExc[KinbridgeError]:
    return pytest.raises(KinbridgeError, match=r"^KB-G20: The standard jefferson_common_schema")


def test_nothing_is_staged(intake: Intake, visits_folder: Path) -> None:
    delivery = intake.deliver(*ROWS)
    with undecided(visits_folder), refused():
        stage_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert stage_delivery(intake.warehouse.pipeline, delivery, TODAY) == len(ROWS)


def test_nothing_is_loaded(intake: Intake, visits_folder: Path) -> None:
    delivery = intake.deliver(*ROWS)
    stage_delivery(intake.warehouse.pipeline, delivery, TODAY)
    validate_delivery(intake.warehouse.pipeline, delivery, TODAY)
    with undecided(visits_folder), refused():
        load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert intake.warehouse.query("SELECT FROM record.person") == []
    account = load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert account is not None
    assert account.loaded == len(ROWS)


def test_nothing_is_replayed(intake: Intake, visits_folder: Path) -> None:
    delivery = intake.deliver(*ROWS, visit(9, made="bad"))
    for step in (stage_delivery, validate_delivery, load_delivery):
        step(intake.warehouse.pipeline, delivery, TODAY)
    with undecided(visits_folder), refused():
        replay_delivery(intake.warehouse.pipeline, delivery, TODAY, "a person")
