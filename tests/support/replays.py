"""Replays of the fictional visits: declarations that are mended for a while, and a quick replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.deliveries import TODAY, Intake

from kinbridge.check.suites import compile_suites
from kinbridge.contract.odcs import feeds
from kinbridge.quarantine.again import put_back
from kinbridge.quarantine.replay import Replay, load_again
from kinbridge.receive.load import load_delivery
from kinbridge.warehouse.connection import transaction

CONTRACT, TRANSFORM, MODES = "contract.odcs.yaml", "transform.sql", "codes/mode.csv"
# What mends the rows below: a date after the delivery's day, a row that no statement takes.
NO_LATEST_DAY = (CONTRACT, ", maximum: asOf", "")
EVERY_VISIT = (TRANSFORM, "WHERE source.visit_id <> 'NOWHERE'", "")


@contextmanager
def mended(folder: Path, *changes: tuple[str, str, str], suite: bool = False) -> Iterator[None]:
    """The feed below `folder` with its files changed (file, old text, new text); then as before.

    With its `suite` compiled where Great Expectations is to judge by it.
    """
    before = {file: (folder / file).read_text(encoding="utf-8") for file, _, _ in changes}
    try:
        for file, old, new in changes:
            text = (folder / file).read_text(encoding="utf-8")
            assert old in text
            (folder / file).write_text(text.replace(old, new), encoding="utf-8")
        feeds.cache_clear()
        if suite:
            compile_suites()
        yield
    finally:
        for file, text in before.items():
            (folder / file).write_text(text, encoding="utf-8")
        feeds.cache_clear()
        if suite:
            compile_suites()


def replay(intake: Intake, delivery: int, by: str = "a person") -> Replay | None:
    """A replay without the second opinion of Great Expectations, which takes a second. None when nothing was open."""
    with transaction(intake.warehouse.pipeline) as connection:
        found = put_back(connection, delivery, TODAY)
    if found is None:
        return None
    with transaction(intake.warehouse.pipeline) as connection:
        return load_again(connection, *found, dict, by)


def loaded(intake: Intake, *rows: str, **more: Any) -> int:
    """A delivery of these rows, loaded; its number."""
    delivery = intake.judge(intake.deliver(*rows, **more))
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    return delivery


def open_lines(intake: Intake, delivery: int) -> list[int]:
    """The lines of a delivery that still wait."""
    found = intake.warehouse.query(
        "SELECT line_no FROM quarantine.source_row WHERE delivery_id = %s AND resolved_by IS NULL ORDER BY 1",
        (delivery,),
    )
    return [line for (line,) in found]


def unreconciled(intake: Intake) -> list[tuple[object, ...]]:
    """Where the ledger contradicts itself: accounts, quarantine, findings and their counts must say one thing."""
    return intake.warehouse.query(
        """
        SELECT 'account', a.delivery_id, a.quarantined, q.number
        FROM ledger.account AS a
        CROSS JOIN LATERAL (
            SELECT count(*) AS number
            FROM quarantine.source_row AS s
            WHERE s.delivery_id = a.delivery_id AND s.replay_id IS NULL
        ) AS q
        WHERE a.undecided = 0 AND a.quarantined <> q.number
        UNION ALL
        SELECT 'findings', r.delivery_id, r.found, f.number
        FROM ledger.rule_result AS r
        CROSS JOIN LATERAL (
            SELECT count(*) AS number
            FROM ledger.finding AS x
            WHERE x.delivery_id = r.delivery_id AND x.rule = r.rule
        ) AS f
        WHERE r.scope = 'row' AND r.found <> f.number
        UNION ALL
        SELECT 'replays', a.delivery_id, t.number, q.number
        FROM ledger.account AS a
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(tried - quarantined), 0) AS number
            FROM ledger.replay AS p
            WHERE p.delivery_id = a.delivery_id
        ) AS t
        CROSS JOIN LATERAL (
            SELECT count(*) AS number
            FROM quarantine.source_row AS s
            WHERE s.delivery_id = a.delivery_id AND s.replay_id IS NOT NULL
        ) AS q
        WHERE t.number <> q.number
        UNION ALL
        SELECT 'state', d.delivery_id, a.quarantined, NULL
        FROM ledger.delivery AS d
        INNER JOIN ledger.account AS a USING (delivery_id)
        WHERE d.state IN ('accepted', 'accepted_with_findings') AND a.quarantined > 0
        OR d.state = 'partly_accepted' AND a.quarantined = 0
        """
    )
