"""The minimum cell of a publication is the strictest of office, laws and agreements over all that is loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg2.extras import execute_values
from tests.support.gates import FEEDS, open_gates

from kinbridge.integration.publish import publish_mart
from kinbridge.rule.publication import MINIMUM_CELL
from kinbridge.warehouse.connection import transaction

MONTH = date(2026, 1, 1)
FEED = "snap/participation_v1"
# A state that asks for more than the federal rules: a file of a site beside the project's own.
STATE_LAW = """\
id: another_state
title: Another state's act
citation: Act 1 (fictional)
as_of: 2024-12-31
note: Fictional. Not legal advice; counsel edits.
governs: []
clauses:
  - id: larger_groups
    citation: Act 1, section 2 (fictional)
    summary: Counts of families with food assistance are at least 30.
    applies_to:
      classes: [snap_record]
      actions: [publish]
    demands:
      minimum_cell: 30
"""


@pytest.fixture(scope="module")
def loaded(new_warehouse: Callable[[], Any]) -> Any:
    """Twenty children with SNAP, and one delivery of SNAP that is loaded."""
    warehouse = new_warehouse()
    with transaction(warehouse.owner) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger.delivery (partner, feed, file_name, size_bytes, sha256, period, as_of,"
            " contract_version, agreement_id, agreement_version, state)"
            " VALUES ('snap', %s, 'f', 1, 'a', %s, %s, '1', 'a', '1', 'accepted') RETURNING delivery_id",
            (FEED, MONTH, MONTH + timedelta(days=30)),
        )
        [number] = cursor.fetchone()
        cursor.execute("INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, '{}')", (number,))
        cursor.execute("INSERT INTO ledger.account (delivery_id, source_rows, loaded) VALUES (%s, 20, 20)", (number,))
        cursor.execute("INSERT INTO identity.integrated_feed (feed) SELECT unnest(%s)", (list(FEEDS),))
        children = [str(UUID(int=n)) for n in range(1, 21)]
        execute_values(
            cursor,
            "INSERT INTO integrated.person (person_id, birth_month, county_fips) VALUES %s",
            [(child, "2024-01-01", "99001") for child in children],
        )
        execute_values(
            cursor,
            "INSERT INTO integrated.participation (person_id, program, entry_date) VALUES %s",
            [(child, "snap", "2025-06-01") for child in children],
        )
    return warehouse


def published(warehouse: Any) -> tuple[int, int | None, dict[str, Any]]:
    """The minimum of the publication, the count of children with SNAP, and what the last event says."""
    publish_mart(warehouse.linkage, open_gates())
    [(minimum,)] = warehouse.query("SELECT minimum_cell FROM mart.publication")
    [(children,)] = warehouse.query("SELECT children FROM mart.children_served WHERE grouping = 'total'")
    [(facts,)] = warehouse.query(
        "SELECT facts FROM ledger.event WHERE what = %s ORDER BY event_id DESC LIMIT 1", (MINIMUM_CELL,)
    )
    return minimum, children, facts


def test_the_strictest_minimum_is_used_and_the_ledger_names_the_clause(
    loaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimum, children, facts = published(loaded)
    assert (minimum, children, facts["feeds"]) == (11, 20, [FEED])
    assert any(clause.startswith("parameters/minimum_cell (") for clause in facts["minimum_cell"]["won"])

    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "another_state.yaml").write_text(STATE_LAW, encoding="utf-8")
    monkeypatch.setenv("KINBRIDGE_INCLUDE", str(tmp_path))
    minimum, children, facts = published(loaded)
    assert (minimum, children) == (30, None)
    [won] = facts["minimum_cell"]["won"]
    assert won == (
        f"another_state/larger_groups, Act 1, section 2 (fictional) ({tmp_path / 'laws' / 'another_state.yaml'}:15)"
    )
