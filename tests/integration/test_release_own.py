"""The project's own named extract, under its own agreements, laws, charter and decisions: it can be released as
declared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.consents import Scene
from tests.support.releases import Study

from kinbridge.decision.ballot import cast
from kinbridge.decision.register import registered
from kinbridge.release.build import build_release
from kinbridge.release.requests import request_release, take_down_approvals
from kinbridge.release.states import ReleaseState
from kinbridge.settings import home
from kinbridge.warehouse.connection import transaction

NAME = "reach_of_programs"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_the_extract_for_the_university_is_released_as_it_is_declared(new_warehouse: Any) -> None:
    warehouse = new_warehouse()
    scene = Scene(warehouse)
    scene.empty()
    there = Study(warehouse, None, home() / "include", scene)
    there.children("ann", 14, "medicaid", "home_visiting", born="2023-04-09", county="99001")
    there.children("bea", 4, "medicaid", born="2022-04-09", county="99001")
    made = request_release(warehouse.pipeline, NAME, "Somebody", "For the study.", NOW, "one")
    with transaction(warehouse.pipeline) as connection:
        asked = registered(connection, made.proposal_id).asked
    state, voted = ReleaseState.REQUESTED, 0
    while state is ReleaseState.REQUESTED:
        with transaction(warehouse.pipeline) as connection:
            cast(connection, made.proposal_id, asked[voted], "approve", NOW)
        voted += 1
        state = take_down_approvals(warehouse.pipeline, made.release_id, NOW)
    assert (state, voted >= 2) == (ReleaseState.APPROVED, True)
    built = build_release(warehouse.linkage, made.release_id, NOW.date())
    assert (built.persons, built.rows, built.withheld) == (14, 28, 4)
    clauses = {clause for (clause,) in warehouse.query("SELECT DISTINCT clause FROM ledger.disclosure")}
    assert all("redisclosure (include/agreements/" in clause for clause in clauses)
