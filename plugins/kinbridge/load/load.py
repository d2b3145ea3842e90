"""Loads one delivery into `record`: one transaction, once, every source row accounted for.

The row in `ledger.load` is written in the same transaction as the records; its primary key is what makes a load happen
once, however often a task is retried or doubled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg2.extras import Json

from kinbridge.contract.model import CODES, Column, Feed, Kind
from kinbridge.contract.rules import rules
from kinbridge.contract.sql import ident
from kinbridge.errors import KinbridgeError
from kinbridge.load.crosswalk import create, crosswalks
from kinbridge.load.merge import merge
from kinbridge.load.source import create_doubted, create_source
from kinbridge.load.target import target_of
from kinbridge.load.transform import read_transform
from kinbridge.staging.landing import Landing


@dataclass(frozen=True)
class Fates:
    """How many source rows had which fate. They sum to the rows of the file."""

    source_rows: int
    loaded: int
    unchanged: int
    quarantined: int
    duplicate: int


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


def load(cursor: Any, plan: LoadPlan) -> Fates:
    """Load the accepted rows and quarantine the others, in the caller's transaction.

    `cursor` is a psycopg2 cursor; the caller has locked the delivery's ledger row and commits. Raises `KinbridgeError`:
    KB-L02 when the transform gives two different rows for one key, KB-L03 when it gives a row without a key.
    """
    chosen = rules(plan.feed, plan.columns)
    _set_refused(cursor, plan.delivery_id)
    cursor.execute(create_doubted(plan.delivery_id, plan.columns, chosen))
    cursor.execute(create_source(plan.landing, chosen))
    for crosswalk in crosswalks(plan.feed):
        create(cursor, crosswalk)
    cursor.execute("CREATE TEMP TABLE touched (line_no bigint, changed boolean) ON COMMIT DROP")
    statements, problems = read_transform(plan.feed.folder / "transform.sql")
    if problems:
        raise KinbridgeError("KB-L04", feed=plan.feed.id, line=problems[0].line, problem=problems[0].text)
    cursor.execute("SELECT clock_timestamp()")
    parameters = plan.parameters(cursor.fetchone()[0])
    targets = {
        statement.target: merge(cursor, plan.feed.id, target_of(statement.target), statement.sql, parameters)
        for statement in statements
    }
    loaded, unchanged, unmapped = _touched(cursor, plan)
    if unmapped:
        _note_unmapped(cursor, plan)
    for referred in plan.referred_columns:
        _keep_reference_keys(cursor, plan, referred)
    fates = _fates(cursor, plan, loaded, unchanged)
    # The landing tables can be dropped only when nothing of this session looks at them.
    cursor.execute("DROP VIEW source")
    cursor.execute("INSERT INTO ledger.load (delivery_id, targets) VALUES (%s, %s)", (plan.delivery_id, Json(targets)))
    return fates


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


def _touched(cursor: Any, plan: LoadPlan) -> tuple[int, int, int]:
    """How many lines changed the record, how many did not, and how many accepted ones no statement took.

    A line that the transform invented counts as well: then the account does not balance, and nothing is loaded.
    """
    cursor.execute(
        f"""
        SELECT
            count(*) FILTER (WHERE changed),
            count(*) FILTER (WHERE NOT changed),
            count(*) FILTER (WHERE changed IS NULL)
        FROM (
            SELECT line_no, bool_or(changed) AS changed
            FROM (
                SELECT line_no, changed
                FROM touched
                UNION ALL
                SELECT line_no, NULL
                FROM {plan.landing.view} AS a
                WHERE NOT EXISTS (SELECT FROM refused AS r WHERE r.line_no = a.line_no)
            ) AS said
            GROUP BY line_no
        ) AS lines
        """
    )
    loaded, unchanged, unmapped = cursor.fetchone()
    return int(loaded), int(unchanged), int(unmapped)


def _note_unmapped(cursor: Any, plan: LoadPlan) -> None:
    """Rows that no statement of the transform took: quarantined, with a finding, so that nothing vanishes."""
    cursor.execute(
        f"""
        INSERT INTO ledger.finding (delivery_id, rule, line_no)
        SELECT {plan.delivery_id}, 'row.unmapped', s.line_no
        FROM source AS s
        WHERE NOT EXISTS (SELECT FROM touched AS t WHERE t.line_no = s.line_no)
        """
    )
    count = int(cursor.rowcount)
    if count:
        cursor.execute(
            """
            INSERT INTO ledger.rule_result (delivery_id, rule, code, severity, scope, found)
            VALUES (%s, 'row.unmapped', %s, 'critical', 'row', %s)
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


def _fates(cursor: Any, plan: LoadPlan, loaded: int, unchanged: int) -> Fates:
    cursor.execute(f"SELECT count(*) FROM {plan.landing.table}")
    source_rows = int(cursor.fetchone()[0])
    cursor.execute(f"SELECT count(*) FROM {plan.landing.repeat}")
    duplicate = int(cursor.fetchone()[0])
    return Fates(source_rows, loaded, unchanged, quarantine(cursor, plan), duplicate)
