"""The findings file: one line for each finding, as CSV, for those who work through a list in a spreadsheet.

Postgres writes it (COPY), whatever the number; nothing of it passes through Python row by row. File rules come first,
then critical findings before warnings, by line; after `MOST_LISTED` it ends, and the JSON says how many were left out.
No cell can be taken for a formula, and none holds a value from the partner's file.
"""

from __future__ import annotations

import io
from typing import Any

from kinbridge.receipt.model import MOST_LISTED, Cause, Receipt

HEADING = ("line", "columns", "rule", "code", "severity", "what")
# How a spreadsheet tells a formula (OWASP ASVS 5, 1.2.10).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def findings_file(connection: Any, receipt: Receipt) -> bytes:
    """The file's bytes: UTF-8, commas, quotes where needed, a heading. The same findings give the same bytes.

    Columns: the line in the partner's file (none for a rule of the whole file), the partner's own names of the columns
    separated by a semicolon, the rule's id, its finding code, `critical` or `warning`, and the rule's title.
    """
    cells = [_cells(cause) for cause in receipt.causes]
    parameters: dict[str, Any] = {
        "delivery_id": receipt.delivery_id,
        "most": MOST_LISTED,
        "id": [cause.rule for cause in receipt.causes],
        "scope": [cause.scope for cause in receipt.causes],
        **{name: [row[place] for row in cells] for place, name in enumerate(HEADING[1:])},
    }
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        query = cursor.mogrify(_QUERY, parameters).decode("utf-8")
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')", buffer)
    return buffer.getvalue()


def safe(cell: str) -> str:
    """The cell with an apostrophe before it when a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _cells(cause: Cause) -> tuple[str, ...]:
    """What the findings of a rule have in common, in the order of `HEADING` after the line."""
    words = ("; ".join(cause.columns), cause.rule, cause.code, cause.severity, cause.title)
    return tuple(safe(word) for word in words)


_QUERY = """
WITH cause AS (
    SELECT *
    FROM unnest(
        %(id)s::text [],
        %(scope)s::text [],
        %(columns)s::text [],
        %(rule)s::text [],
        %(code)s::text [],
        %(severity)s::text [],
        %(what)s::text []
    ) AS t (id, scope, columns, rule, code, severity, what)
)

SELECT
    line,
    columns,
    rule,
    code,
    severity,
    what
FROM (
    SELECT
        NULL::bigint AS line,
        c.*
    FROM cause AS c
    WHERE c.scope = 'file'
    UNION ALL
    SELECT
        f.line_no,
        c.*
    FROM cause AS c
    INNER JOIN ledger.finding AS f ON f.rule = c.id
    WHERE
        f.delivery_id = %(delivery_id)s
        AND c.scope = 'row'
) AS finding
ORDER BY
    scope,
    severity,
    line,
    rule
LIMIT %(most)s
"""
