"""Loads one delivery into `record`: one transaction, once, every source row accounted for.

The row in `ledger.load` is written in the same transaction as the records; its primary key is what makes a load happen
once, however often a task is retried or doubled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from psycopg2.extras import Json

from kinbridge.contract.model import CODES, Column, Feed, Kind
from kinbridge.contract.rules import rules
from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.load.absence import Absent, close_absent, close_what_came_late, find_absent
from kinbridge.load.correction import resolve_corrected
from kinbridge.load.crosswalk import create, crosswalks
from kinbridge.load.deletion import close_deleted, close_former, keep_deleted_away, note_said
from kinbridge.load.merge import merge
from kinbridge.load.partition import attach
from kinbridge.load.source import Rows, create_doubted, create_source
from kinbridge.load.target import Target, target_of
from kinbridge.load.transform import Statement, read_transform
from kinbridge.staging.landing import Landing


@dataclass(frozen=True)
class Fates:
    """How many source rows had which fate. They sum to the rows of the file."""

    source_rows: int
    loaded: int
    unchanged: int
    quarantined: int
    duplicate: int
    # Rows of the record that ended because the file no longer holds, or deletes, them; by table.
    closed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadPlan:
    """What a load needs to know of a delivery: its feed, the columns that were read, and the provenance to write."""

    feed: Feed
    columns: tuple[Column, ...]
    delivery_id: int
    contract_version: str
    as_of: date
    referred_columns: tuple[tuple[str, ...], ...] = ()

    @property
    def landing(self) -> Landing:
        """The delivery's landing tables."""
        return Landing(self.feed, self.columns, self.delivery_id)

    def parameters(self, known_at: datetime) -> dict[str, Any]:
        """The provenance as SQL parameters; `known_at` is when the load happens."""
        return {
            "feed": self.feed.id,
            "partner": self.feed.partner,
            "delivery_id": self.delivery_id,
            "contract_version": self.contract_version,
            "as_of": self.as_of,
            "known_at": known_at,
        }


@dataclass(frozen=True)
class Merged:
    """What a merge came to: rows inserted by target, and how many lines changed the record and how many did not."""

    targets: dict[str, int]
    loaded: int
    unchanged: int
    deleted: dict[str, int] = field(default_factory=dict)


def load(cursor: Any, plan: LoadPlan) -> Fates:
    """Load the accepted rows and quarantine the others, in the caller's transaction.

    `cursor` is a psycopg2 cursor; the caller has locked the delivery's ledger row and commits. Raises as
    `merge_accepted` does.
    """
    _set_refused(cursor, plan.delivery_id)
    merged = merge_accepted(cursor, plan)
    closed = _close_absent(cursor, plan)
    fates = replace(_fates(cursor, plan, merged), closed=merged.deleted | closed)
    cursor.execute(
        "INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, %s)", (plan.delivery_id, Json(merged.targets))
    )
    return fates


def merge_accepted(cursor: Any, plan: LoadPlan) -> Merged:
    """Merge the landed rows that do not stand in the temporary table `refused` into the record.

    The landed rows may be a part of the file (a replay), so nothing here may be concluded from what they lack. A line
    that no statement of the transform takes is added to `refused`, with a finding. What older deliveries left in
    quarantine under the keys of the merged rows is resolved. Raises `KinbridgeError`: KB-L02 when the transform gives
    two different rows for one key, KB-L03 when it gives a row without a key, KB-L04 when it cannot be run.
    """
    statements = _ready(cursor, plan)
    cursor.execute("CREATE TEMP TABLE touched (line_no bigint, changed boolean) ON COMMIT DROP")
    parameters = _now(cursor, plan)
    merged = {
        statement.target: merge(cursor, plan.feed.id, target_of(statement.target), statement.sql, parameters)
        for statement in statements
    }
    attach(cursor, [name for name, result in merged.items() if result.opened], plan.feed.id)
    for name in merged:
        close_what_came_late(cursor, plan.feed, target_of(name), parameters)
    deleted = _delete(cursor, plan, statements, parameters) if plan.feed.extent.change_column else {}
    targets = {name: result.inserted for name, result in merged.items()}
    said = _said([target_of(name) for name, result in merged.items() if result.at_once])
    loaded, unchanged, unmapped = _touched(cursor, plan, said, parameters)
    if unmapped:
        _note_unmapped(cursor, plan, said, parameters)
    for referred in plan.referred_columns:
        _keep_reference_keys(cursor, plan, referred)
    resolve_corrected(cursor, plan.landing, plan.as_of)
    # The landing tables can be dropped only when nothing of this session looks at them.
    cursor.execute("DROP VIEW source")
    return Merged(targets, loaded, unchanged, deleted)


def absent_of(cursor: Any, plan: LoadPlan) -> dict[str, Absent]:
    """What the delivery would close of each table for being absent, were it loaded now; nothing is changed."""
    if not plan.feed.extent.closes:
        return {}
    cursor.execute("SAVEPOINT absent_of")
    statements = _ready(cursor, plan, Rows.EVERY)
    found = find_absent(cursor, plan.feed, statements, _now(cursor, plan))
    cursor.execute("ROLLBACK TO SAVEPOINT absent_of")
    return found


def _ready(cursor: Any, plan: LoadPlan, rows: Rows = Rows.ACCEPTED) -> list[Statement]:
    """Make what a transform reads: `source` and the crosswalks. Returns the transform. Raises KB-L04."""
    chosen = rules(plan.feed, plan.columns)
    cursor.execute(create_doubted(plan.delivery_id, plan.columns, chosen))
    cursor.execute(create_source(plan.landing, chosen, rows))
    for crosswalk in crosswalks(plan.feed):
        create(cursor, crosswalk)
    statements, problems = read_transform(plan.feed.folder / "transform.sql")
    if problems:
        raise KinbridgeError("KB-L04", feed=plan.feed.id, line=problems[0].line, problem=problems[0].text)
    return statements


def _now(cursor: Any, plan: LoadPlan) -> dict[str, Any]:
    cursor.execute("SELECT clock_timestamp()")
    return plan.parameters(cursor.fetchone()[0])


def _delete(cursor: Any, plan: LoadPlan, statements: list[Statement], parameters: dict[str, Any]) -> dict[str, int]:
    """Close what the delta deletes or has under another key now, and what it brings although a later one deleted it."""
    former = {name for _, name in plan.feed.extent.former_key}
    rekeys = bool(former) and former <= {c.name for c in plan.columns}
    if rekeys:
        note_said(cursor, statements, parameters)
    _look_at(cursor, plan, Rows.DELETING)
    closed = close_deleted(cursor, statements, parameters)
    if rekeys:
        _look_at(cursor, plan, Rows.FORMER)
        for name, number in close_former(cursor, statements, parameters).items():
            closed[name] += number
    for statement in statements:
        keep_deleted_away(cursor, target_of(statement.target), parameters)
    return closed


def _look_at(cursor: Any, plan: LoadPlan, rows: Rows) -> None:
    """Let `source` hold these rows from now on."""
    cursor.execute("DROP VIEW source")
    cursor.execute(create_source(plan.landing, rules(plan.feed, plan.columns), rows))


def _close_absent(cursor: Any, plan: LoadPlan) -> dict[str, int]:
    """Close what the snapshot no longer holds. Only for whole files: a replay brings single rows."""
    if not plan.feed.extent.closes:
        return {}
    cursor.execute(create_source(plan.landing, rules(plan.feed, plan.columns), Rows.EVERY))
    statements, _ = read_transform(plan.feed.folder / "transform.sql")
    found = close_absent(cursor, plan.feed, statements, _now(cursor, plan))
    cursor.execute("DROP VIEW source")
    return {name: absent.absent for name, absent in found.items()}


def quarantine(cursor: Any, plan: LoadPlan) -> int:
    """Put every row of `refused` into quarantine with the rules it broke; returns how many there are now."""
    columns = ", ".join(f"t.{ident(c.name)}" for c in plan.columns)
    cursor.execute("DELETE FROM quarantine.source_row WHERE delivery_id = %s", (plan.delivery_id,))
    cursor.execute(
        f"""
        INSERT INTO quarantine.source_row (delivery_id, line_no, rules, content)
        SELECT
            {plan.delivery_id}, t.line_no,
            coalesce(f.rules, '{{}}'),
            (SELECT to_jsonb(content) FROM (SELECT {columns}) AS content)
        FROM {plan.landing.table} AS t
        INNER JOIN refused AS r ON r.line_no = t.line_no
        LEFT JOIN (
            SELECT line_no, array_agg(rule ORDER BY rule) AS rules
            FROM ledger.finding
            WHERE delivery_id = {plan.delivery_id}
            GROUP BY line_no
        ) AS f ON f.line_no = t.line_no
        """
    )
    return int(cursor.rowcount)


def reject(cursor: Any, plan: LoadPlan, source_rows: int) -> Fates:
    """Quarantine the whole delivery after a person rejected it. Exact repeats keep their own fate."""
    cursor.execute(f"CREATE TEMP TABLE refused ON COMMIT DROP AS SELECT line_no FROM {plan.landing.view}")
    quarantined = quarantine(cursor, plan)
    return Fates(source_rows, 0, 0, quarantined, source_rows - quarantined)


def _set_refused(cursor: Any, delivery_id: int) -> None:
    cursor.execute(
        """
        CREATE TEMP TABLE refused ON COMMIT DROP AS
        SELECT DISTINCT f.line_no
        FROM ledger.finding AS f
        INNER JOIN ledger.rule_result AS r USING (delivery_id, rule)
        WHERE f.delivery_id = %s AND r.severity = 'critical'
        """,
        (delivery_id,),
    )
    cursor.execute("ANALYZE refused")


def _said(at_once: list[Target]) -> str:
    """The query for the lines that the transform took, and whether they changed the record: (line_no, changed).

    Where everything was inserted at once, the record's new rows tell the lines: writing each of them down besides costs
    as much as the insert. Parameters: feed, delivery_id, known_at.
    """
    inserted = "".join(
        f"""
            UNION ALL
            SELECT line_no, true AS changed
            FROM {target.table}
            WHERE feed = %(feed)s AND delivery_id = %(delivery_id)s AND known_from = %(known_at)s"""
        for target in at_once
    )
    return f"SELECT line_no, changed FROM touched{inserted}"


def _touched(cursor: Any, plan: LoadPlan, said: str, parameters: dict[str, Any]) -> tuple[int, int, int]:
    """How many lines changed the record, how many did not, and how many accepted ones no statement took.

    A line that the transform invented counts as well: then the account does not balance, and nothing is loaded.
    """
    taken = _taken_whole(cursor, plan, said, parameters)
    if taken is not None:
        return taken, 0, 0
    cursor.execute(
        f"""
        SELECT
            count(*) FILTER (WHERE changed),
            count(*) FILTER (WHERE NOT changed),
            count(*) FILTER (WHERE changed IS NULL)
        FROM (
            SELECT line_no, bool_or(changed) AS changed
            FROM ({said}) AS said
            GROUP BY line_no
        ) AS lines
        FULL JOIN (
            SELECT line_no
            FROM {plan.landing.view} AS a
            WHERE NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = a.line_no)
        ) AS accepted USING (line_no)
        """,
        parameters,
    )
    loaded, unchanged, unmapped = cursor.fetchone()
    return int(loaded), int(unchanged), int(unmapped)


def _taken_whole(cursor: Any, plan: LoadPlan, said: str, parameters: dict[str, Any]) -> int | None:
    """The number of accepted lines, when each of them changed the record by one row; None when it is not so simple.

    As for most first files. The two lists of lines are compared by their lengths and the exclusive or of 64-bit hashes:
    in one pass over each, where joining them takes as long as a quarter of the insert.
    """
    fingerprint = "count(*), coalesce(bit_xor(hashint8extended(line_no, 0)), 0)"
    cursor.execute(
        f"""
        SELECT
            changed.number,
            NOT changed.other AND (changed.number, changed.hash) = (accepted.number, accepted.hash)
        FROM (
            SELECT {fingerprint}, coalesce(bool_or(NOT changed), FALSE)
            FROM ({said}) AS said
        ) AS changed (number, hash, other)
        CROSS JOIN (
            SELECT {fingerprint}
            FROM {plan.landing.view} AS a
            WHERE NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = a.line_no)
        ) AS accepted (number, hash)
        """,
        parameters,
    )
    number, whole = cursor.fetchone()
    return int(number) if whole else None


def _note_unmapped(cursor: Any, plan: LoadPlan, said: str, parameters: dict[str, Any]) -> None:
    """Rows that no statement of the transform took: quarantined, with a finding, so that nothing vanishes."""
    cursor.execute(
        f"""
        INSERT INTO ledger.finding (delivery_id, rule, line_no)
        SELECT {plan.delivery_id}, 'row.unmapped', a.line_no
        FROM {plan.landing.view} AS a
        WHERE
            NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = a.line_no)
            AND NOT EXISTS (SELECT FROM ({said}) AS t WHERE t.line_no = a.line_no)
        """,
        parameters,
    )
    count = int(cursor.rowcount)
    if count:
        cursor.execute(
            """
            INSERT INTO ledger.rule_result (delivery_id, rule, code, severity, scope, found)
            VALUES (%s, 'row.unmapped', %s, 'critical', 'row', %s)
            -- A replay adds to what an earlier look at other lines found.
            ON CONFLICT (delivery_id, rule) DO UPDATE SET found = rule_result.found + excluded.found
            """,
            (plan.delivery_id, CODES[Kind.UNMAPPED], count),
        )
        cursor.execute(
            "INSERT INTO refused SELECT line_no FROM ledger.finding WHERE delivery_id = %s AND rule = 'row.unmapped'",
            (plan.delivery_id,),
        )


def _keep_reference_keys(cursor: Any, plan: LoadPlan, columns: tuple[str, ...]) -> None:
    """Remember the keys that sibling feeds refer to, of the accepted rows, as they were sent."""
    values = ", ".join(f"t.{ident(c)}" for c in columns)
    present = " AND ".join(f"t.{ident(c)} IS NOT NULL" for c in columns)
    cursor.execute(
        f"""
        INSERT INTO record.reference_key (feed, column_names, key_values, delivery_id)
        SELECT DISTINCT %(feed)s, %(names)s, ARRAY[{values}]::text[], %(delivery_id)s::bigint
        FROM {plan.landing.view} AS t
        WHERE {present} AND NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = t.line_no)
        ON CONFLICT DO NOTHING
        """,
        {"feed": plan.feed.id, "delivery_id": plan.delivery_id, "names": ",".join(columns)},
    )


def _fates(cursor: Any, plan: LoadPlan, merged: Merged) -> Fates:
    cursor.execute(f"SELECT count(*) FROM {plan.landing.table}")
    source_rows = int(cursor.fetchone()[0])
    cursor.execute(f"SELECT count(*) FROM {plan.landing.repeat}")
    duplicate = int(cursor.fetchone()[0])
    return Fates(source_rows, merged.loaded, merged.unchanged, quarantine(cursor, plan), duplicate)
