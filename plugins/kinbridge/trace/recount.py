"""Published figures, counted once more from the records as they were known when they were published.

The very SQL of `include/sql/integrated` and `include/sql/mart` runs over temporary views of `record` and of the loads,
in the caller's transaction as kb_linkage; nothing that lasts is changed. What comes of it is told only if every figure
that the table shows comes out the same; otherwise it is said that, and why, they do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2 import sql

from kinbridge.integration.outputs import counting_files
from kinbridge.integration.parameters import Parameters, read_parameters, sql_files
from kinbridge.integration.population import TABLES, Population, choose
from kinbridge.integration.publish import FIRST_WRITING_FILE
from kinbridge.integration.session import run_files

SERVED, DESCRIBED, REFERRED = "children_served", "children_by_characteristic", "referral_outcomes"
# What is read as it was known then, and what is written beside the real thing.
_KNOWN = re.compile(r"\b(record\.[a-z_]+|ledger\.load)\b(\s+AS\s+[a-z_]+)?")
_WRITTEN = re.compile(r"\b(?:integrated|identity(?=\.family_child\b))\.")


@dataclass(frozen=True)
class Published:
    """When and how the mart was published."""

    at: datetime
    parameters: Parameters


def published(cursor: Any) -> Published | None:
    """What the mart says of itself; None when nothing was published yet."""
    cursor.execute("SELECT published_at, age_limit_months, minimum_cell FROM mart.publication")
    row = cursor.fetchone()
    if row is None:
        return None
    kept = read_parameters()
    return Published(row[0], replace(kept, age_limit_months=row[1], minimum_cell=row[2]))


def recount(cursor: Any, table: str, then: Published) -> None:
    """Make the temporary tables that counting `table` makes: `figure`, `served_child` or `referral`, and the others."""
    counting = list(counting_files(file for file in sql_files("mart") if file.name < FIRST_WRITING_FILE))
    outputs = next(names for names, _ in counting if table in names)
    cursor.execute(
        "CREATE TEMP TABLE counted_feed ON COMMIT DROP AS "
        "SELECT output, use_case, feed, counted, clause, without FROM mart.output_feed WHERE output = ANY(%s)",
        (list(outputs),),
    )
    _withheld(cursor, then)
    choose(cursor, _population(cursor))
    _as_known(cursor, then.at)
    for name in TABLES:
        cursor.execute(f"CREATE TEMP TABLE {name} (LIKE integrated.{name}) ON COMMIT DROP")
    cursor.execute("CREATE TEMP TABLE family_child (LIKE identity.family_child) ON COMMIT DROP")
    run_files(cursor, sql_files("integrated"), as_known)
    files = [file for names, each in counting for file in each if names == outputs or _month(file)]
    cursor.execute("DROP TABLE IF EXISTS figure")
    if outputs == (REFERRED,):
        # The table of figures is made by the files that count children; the columns are the same.
        cursor.execute(
            "CREATE TEMP TABLE figure (figure_id bigint GENERATED ALWAYS AS IDENTITY, output text, unit text, "
            "month date, grouping text, programs text, characteristic text, value text, n bigint, published boolean, "
            "withheld boolean DEFAULT FALSE) ON COMMIT DROP"
        )
    run_files(cursor, files, as_known)


def as_known(text: str) -> str:
    """The SQL over the views of what was known, writing into temporary tables."""

    def known(match: re.Match[str]) -> str:
        schema, name = match.group(1).split(".")
        return f"pg_temp.{schema}_{name}{match.group(2) or f' AS {name}'}"

    return _WRITTEN.sub("pg_temp.", _KNOWN.sub(known, _code(text)))


def unlike(cursor: Any, table: str) -> int:
    """How many figures that the table shows come out otherwise; figures that are not there count as zero."""
    cursor.execute(_UNLIKE[table])
    return int(cursor.fetchone()[0])


def since(cursor: Any, then: Published) -> str:
    """Why figures may come out otherwise: what has happened since."""
    cursor.execute("SELECT EXISTS (SELECT 1 FROM identity.run WHERE finished_at > %s)", (then.at,))
    linked = cursor.fetchone()[0]
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM ledger.event WHERE what = 'consent rules changed' AND happened_at > %s)",
        (then.at,),
    )
    ruled = cursor.fetchone()[0]
    reasons = [
        *(["people have been linked anew since"] if linked else []),
        *(["rules of consent have changed since"] if ruled else []),
    ]
    return ", ".join(reasons) or "records, links or declarations are not what they were"


def _month(file: Path) -> bool:
    return file.name.startswith("01_")


def _code(text: str) -> str:
    """The SQL without its comments, which name tables too."""
    return re.sub(r"--[^\n]*", "", text)


def _withheld(cursor: Any, then: Published) -> None:
    cursor.execute(
        """
        CREATE TEMP TABLE withheld_use ON COMMIT DROP AS
        SELECT served.use_case, withheld.person_id, withheld.program, withheld.clause
        FROM (SELECT DISTINCT use_case FROM counted_feed WHERE counted) AS served
        CROSS JOIN LATERAL identity.withheld_person(served.use_case, %s, %s) AS withheld
        """,
        (then.at.astimezone(UTC).date(), then.at),
    )


def _population(cursor: Any) -> Population:
    cursor.execute("SELECT use_case, feed, without FROM counted_feed WHERE counted")
    rows = cursor.fetchall()
    return Population(
        frozenset(feed for _, feed, _ in rows),
        tuple(sorted({use_case for use_case, _, _ in rows})),
        without=frozenset((feed, element) for _, feed, without in rows for element in without),
    )


def _as_known(cursor: Any, moment: datetime) -> None:
    """The temporary views `record_<table>` and `ledger_load`."""
    named = {
        match.group(1).removeprefix("record.")
        for file in sql_files("integrated")
        for match in _KNOWN.finditer(_code(file.read_text(encoding="utf-8")))
        if match.group(1).startswith("record.")
    }
    for table in sorted(named):
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            (f"record.{table}",),
        )
        columns = [name for (name,) in cursor.fetchall()]
        shown = sql.SQL(", ").join(
            sql.SQL("CASE WHEN row.known_to <= {} THEN row.known_to END AS known_to").format(sql.Literal(moment))
            if name == "known_to"
            else sql.SQL("row.{}").format(sql.Identifier(name))
            for name in columns
        )
        cursor.execute(
            sql.SQL("CREATE TEMP VIEW {} AS SELECT {} FROM record.{} AS row WHERE row.known_from <= {}").format(
                sql.Identifier(f"record_{table}"), shown, sql.Identifier(table), sql.Literal(moment)
            )
        )
    cursor.execute(
        sql.SQL("CREATE TEMP VIEW ledger_load AS SELECT load.* FROM ledger.load WHERE load.loaded_at <= {}").format(
            sql.Literal(moment)
        )
    )


_UNLIKE = {
    SERVED: """
        SELECT count(*)
        FROM mart.children_served AS shown
        CROSS JOIN LATERAL (VALUES ('children', shown.children), ('families', shown.families)) AS told (unit, n)
        LEFT JOIN figure
            ON figure.unit = told.unit
            AND figure.month = shown.month
            AND figure.grouping = shown.grouping
            AND figure.programs = shown.programs
            AND figure.characteristic IS NULL
        WHERE told.n IS NOT NULL AND told.n <> coalesce(figure.n, 0)
    """,
    DESCRIBED: """
        SELECT count(*)
        FROM mart.children_by_characteristic AS shown
        LEFT JOIN figure
            ON figure.unit = 'children'
            AND figure.month = shown.month
            AND figure.grouping IN ('program', 'total')
            AND figure.programs = shown.program
            AND figure.characteristic = shown.characteristic
            AND figure.value = shown.value
        WHERE shown.children IS NOT NULL AND shown.children <> coalesce(figure.n, 0)
    """,
    REFERRED: """
        SELECT count(*)
        FROM mart.referral_outcomes AS shown
        CROSS JOIN LATERAL (
            VALUES
            ('referrals', shown.referrals),
            ('became_service', shown.became_service),
            ('no_service', shown.no_service),
            ('already_served', shown.already_served),
            ('not_observable', shown.not_observable)
        ) AS told (outcome, n)
        LEFT JOIN figure
            ON figure.unit = 'referrals'
            AND figure.programs = shown.program
            AND figure.value = shown.county
            AND figure.characteristic = told.outcome
        WHERE told.n IS NOT NULL AND told.n <> coalesce(figure.n, 0)
    """,
}
