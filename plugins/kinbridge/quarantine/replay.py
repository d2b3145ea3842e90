"""Replay: a delivery's open quarantined rows once more through today's contract, agreement and transform.

For after a rule, a code set, a crosswalk or a transform was mended. What passes now is loaded with the delivery's own
provenance, the account and the state follow; what does not stays in quarantine. All of it is one transaction: a killed
replay leaves nothing but scratch tables in `landing`, which the next one replaces. A row is loaded once, since a row
that is resolved is not put back again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import psycopg2
from psycopg2.extras import Json

from kinbridge.agreement.gate import Permit
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.accounts import read, write
from kinbridge.ledger.deliveries import get, set_state
from kinbridge.ledger.events import record_event
from kinbridge.ledger.locks import load_lock
from kinbridge.ledger.states import State
from kinbridge.load.load import Merged, merge_accepted
from kinbridge.quarantine.again import judge, may_be_replayed, put_back
from kinbridge.receipt.outdated import REPLAYED
from kinbridge.receive.load import accepted_state
from kinbridge.receive.work import Work, locked
from kinbridge.validation.documents import keep_result
from kinbridge.validation.expectations import run_suite
from kinbridge.warehouse.connection import Dsn, transaction


@dataclass(frozen=True)
class Replay:
    """What a replay came to: `tried` rows, of which `quarantined` stay; the state that the delivery has now.

    tried = loaded + unchanged + duplicate + quarantined. Of a dry run: what it would come to.
    """

    delivery_id: int
    feed: str
    state: State
    tried: int = 0
    loaded: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    dry_run: bool = False

    def as_plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "state": self.state.value}


def replay_delivery(dsn: Dsn, delivery_id: int, today: date, by: str, *, dry_run: bool = False) -> Replay:
    """Replay one delivery's open rows; `by` is the person, for the ledger. A dry run changes nothing.

    Great Expectations and our own findings evaluate every rule independently of each other, as at intake. Raises
    `KinbridgeError`: KB-Q01, KB-Q02 and KB-A.. as `put_back`, KB-F90 to KB-F92 as validation, KB-L02 to KB-L04 as a
    load, KB-D20 when other loads of the feed do not end, KB-Q05 when they could have begun meanwhile.
    """
    with transaction(dsn) as connection:
        delivery = get(connection, delivery_id)
    # Before the lock: a load of this very delivery takes its row first and then waits for the lock.
    may_be_replayed(delivery)
    feed_id = delivery.feed
    # No load of the feed between putting the rows back and loading them: it might resolve some.
    with load_lock(dsn, feed_id) as lock:
        with transaction(dsn) as connection:
            found = put_back(connection, delivery_id, today)
            if found is None:
                return Replay(delivery_id, feed_id, get(connection, delivery_id).state, dry_run=dry_run)
        work, granted = found
        try:
            # Side by side, as at intake: the library takes seconds to import.
            with ThreadPoolExecutor(1) as aside, transaction(dsn) as connection:
                locked(connection, delivery_id)
                running = aside.submit(
                    run_suite, dsn.sqlalchemy_url, work.feed, work.landing.view_name, work.delivery.as_of, work.columns
                )
                result = load_again(connection, work, granted, lambda: running.result().counts, by)
                if dry_run:
                    connection.rollback()
                _still_held(lock, work)
        except BaseException:
            _drop(dsn, work)
            raise
    if dry_run:
        _drop(dsn, work)
        return replace(result, dry_run=True)
    keep_result(work.feed, delivery_id, running.result().result)
    return result


def load_again(connection: Any, work: Work, granted: Permit, gx: Callable[[], dict[str, int]], by: str) -> Replay:
    """Judge the rows that were put back and load those that pass, in the caller's transaction.

    `gx` gives Great Expectations' counts over them. Account, rule results, state and `ledger.replay` follow, and the
    landing tables go.
    """
    with connection.cursor() as cursor:
        judge(cursor, work, gx)
        merged = merge_accepted(cursor, replace(work.load_plan(), contract_version=work.feed.version))
        result = _counted(cursor, work, merged)
        authority = {
            "by": by,
            "contract_version": work.feed.version,
            "agreement_id": granted.agreement_id,
            "agreement_version": granted.version,
        }
        replay_id = _record(cursor, result, authority, merged.targets)
        _resolve(cursor, work, replay_id)
        state = _settle(connection, cursor, result, by)
        record_event(connection, result.delivery_id, by, REPLAYED, {"replay": replay_id, **_numbers(result)})
        cursor.execute(work.landing.drop())
        return replace(result, state=state)


def _counted(cursor: Any, work: Work, merged: Merged) -> Replay:
    landing = work.landing
    cursor.execute(
        f"""
        SELECT
            (SELECT count(*) FROM {landing.table}),
            (SELECT count(*) FROM {landing.repeat}),
            (SELECT count(*) FROM {landing.view} WHERE line_no IN (SELECT line_no FROM refused))
        """
    )
    tried, duplicate, quarantined = (int(number) for number in cursor.fetchone())
    delivery_id = work.delivery.delivery_id
    accounted = merged.loaded + merged.unchanged + duplicate + quarantined
    if tried != accounted:
        raise KinbridgeError("KB-D21", delivery_id=delivery_id, source_rows=tried, accounted=accounted)
    return Replay(
        delivery_id,
        work.feed.id,
        work.delivery.state,
        tried=tried,
        loaded=merged.loaded,
        unchanged=merged.unchanged,
        duplicate=duplicate,
        quarantined=quarantined,
    )


def _record(cursor: Any, result: Replay, authority: dict[str, str], targets: dict[str, int]) -> int:
    cursor.execute(
        """
        INSERT INTO ledger.replay (
            delivery_id,
            replayed_by,
            contract_version,
            agreement_id,
            agreement_version,
            tried,
            loaded,
            unchanged,
            duplicate,
            quarantined,
            targets
        )
        VALUES (
            %(delivery_id)s,
            %(by)s,
            %(contract_version)s,
            %(agreement_id)s,
            %(agreement_version)s,
            %(tried)s,
            %(loaded)s,
            %(unchanged)s,
            %(duplicate)s,
            %(quarantined)s,
            %(targets)s
        )
        RETURNING replay_id
        """,
        {
            "delivery_id": result.delivery_id,
            "targets": Json(targets),
            **authority,
            **_numbers(result),
        },
    )
    return int(cursor.fetchone()[0])


def _numbers(result: Replay) -> dict[str, int]:
    return {name: getattr(result, name) for name in ("tried", "loaded", "unchanged", "duplicate", "quarantined")}


def _resolve(cursor: Any, work: Work, replay_id: int) -> None:
    """Rows that passed, or repeat another, leave quarantine; of those that stay, the rules that they break today."""
    facts = {"delivery_id": work.delivery.delivery_id, "replay_id": replay_id}
    cursor.execute(
        f"""
        UPDATE quarantine.source_row AS q
        SET resolved_by = q.delivery_id, resolved_at = clock_timestamp(), replay_id = %(replay_id)s
        FROM {work.landing.table} AS t
        WHERE
            q.delivery_id = %(delivery_id)s
            AND q.line_no = t.line_no
            AND NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = t.line_no)
        """,
        facts,
    )
    cursor.execute(
        """
        UPDATE quarantine.source_row AS q
        SET rules = f.rules
        FROM (
            SELECT line_no, array_agg(rule ORDER BY rule) AS rules
            FROM ledger.finding
            WHERE delivery_id = %(delivery_id)s
            GROUP BY line_no
        ) AS f
        WHERE
            q.delivery_id = %(delivery_id)s
            AND q.line_no = f.line_no
            AND q.resolved_by IS NULL
        """,
        facts,
    )


def _settle(connection: Any, cursor: Any, result: Replay, by: str) -> State:
    account = read(connection, result.delivery_id)
    if account is None:
        raise KinbridgeError("KB-D21", delivery_id=result.delivery_id, source_rows=0, accounted=result.tried)
    after = replace(
        account,
        loaded=account.loaded + result.loaded,
        unchanged=account.unchanged + result.unchanged,
        duplicate=account.duplicate + result.duplicate,
        quarantined=account.quarantined - (result.tried - result.quarantined),
    )
    write(connection, after)
    state = accepted_state(cursor, after)
    set_state(connection, result.delivery_id, state, None, by)
    return state


def _still_held(lock: Any, work: Work) -> None:
    """Just before the commit: the lock's connection lives, so nobody loaded meanwhile. KB-Q05 when it does not."""
    try:
        with lock.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        raise KinbridgeError("KB-Q05", delivery=work.delivery.delivery_id, feed=work.feed.id) from None


def _drop(dsn: Dsn, work: Work) -> None:
    """Drop what was put back. Where the database is away it stays until the next replay."""
    with contextlib.suppress(KinbridgeError), transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(work.landing.drop())
