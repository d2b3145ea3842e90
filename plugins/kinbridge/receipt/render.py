"""Renders a receipt: one HTML page that stands by itself, and the same facts as JSON. The third form, the findings file
with a line for each finding, is written by `findings_file.py`.

The JSON's shape is `receipt.schema.yaml` (JSON Schema); `schema_version` is raised with it: the second number when
fields are added, the first when anything that was there changes. Equal receipts render to equal bytes, so that sending
one again changes nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kinbridge.receipt import words
from kinbridge.receipt.model import SCHEMA_VERSION, Cause, LineRange, Receipt

FIRST_RANGES = 12  # shown at once for each cause
MORE_RANGES = 400  # shown on demand; the JSON names more


def render_html(receipt: Receipt) -> bytes:
    """The page, UTF-8: no script, nothing from elsewhere, readable on a phone and on paper."""
    page = _template().render(
        receipt=receipt,
        message=words.message_of(receipt),
        # `./` keeps a colon in the name from reading as a scheme.
        findings_link=f"./{quote(receipt.stem)}.csv",
        fates=words.fates_of(receipt),
        schema_version=SCHEMA_VERSION,
        first_ranges=FIRST_RANGES,
    )
    return page.encode("utf-8")


def render_json(receipt: Receipt) -> bytes:
    """The receipt as JSON, UTF-8, in the shape of `receipt.schema.yaml`."""
    return (json.dumps(as_plain(receipt), ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def as_plain(receipt: Receipt) -> dict[str, Any]:
    """The receipt as plain values; dates in ISO 8601, moments in UTC."""
    account, decision, earlier = receipt.account, receipt.decision, receipt.earlier
    return {
        "schema_version": SCHEMA_VERSION,
        "delivery": {
            "delivery_id": receipt.delivery_id,
            "partner": receipt.partner,
            "feed": receipt.feed,
            "file_name": receipt.file_name,
            "size_bytes": receipt.size_bytes,
            "sha256": receipt.sha256,
            "period": f"{receipt.period:%Y-%m}" if receipt.period else None,
            "as_of": receipt.as_of.isoformat(),
            "collected_at": _utc(receipt.collected_at),
            "settled_at": _utc(receipt.settled_at) if receipt.settled_at else None,
            "contract_version": receipt.contract_version,
            "agreement_id": receipt.agreement_id,
            "agreement_version": receipt.agreement_version,
        },
        "state": receipt.state.value,
        "same_bytes_as": earlier and {"delivery_id": earlier.delivery_id, "file_name": earlier.file_name},
        "decision": decision and {"outcome": decision.outcome, "decided_at": _utc(decision.decided_at)},
        "account": account
        and {
            "source_rows": account.source_rows,
            "loaded": account.loaded,
            "unchanged": account.unchanged,
            "quarantined": account.quarantined,
            "duplicate": account.duplicate,
            "undecided": account.undecided,
        },
        "corrected": receipt.corrected,
        "findings_file": {
            "name": f"{receipt.stem}.csv",
            "listed": receipt.listed,
            "not_listed": receipt.found - receipt.listed,
        },
        "findings": [_plain_cause(cause) for cause in receipt.causes],
        "contact": receipt.contact,
    }


def _plain_cause(cause: Cause) -> dict[str, Any]:
    return {
        "rule": cause.rule,
        "code": cause.code,
        "title": cause.title,
        "severity": cause.severity,
        "scope": cause.scope,
        "columns": list(cause.columns),
        "expected": cause.expected or None,
        "seen": cause.seen or None,
        "count": cause.count,
        "meaning": cause.meaning,
        "remedy": cause.remedy,
        "lines": [[span.first, span.last] for span in cause.ranges],
        "lines_not_listed": cause.unlisted,
    }


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        day=_day,
        month=_month,
        moment=_moment,
        share=words.share,
        size=words.size,
        counted=words.counted,
        effect=words.effect_of,
        lines=_lines,
        more_lines=_more_lines,
        more_count=_more_count,
    )
    return environment.get_template("receipt.html.j2")


def _day(value: date) -> str:
    return f"{value.day} {value:%B %Y}"


def _month(value: date) -> str:
    return f"{value:%B %Y}"


def _moment(value: datetime) -> str:
    """In UTC, whatever the session's time zone is, so that a receipt is the same wherever it is made."""
    moment = value.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _lines(cause: Cause) -> str:
    """`12, 40-44, 51`: the lines that are shown at once."""
    return _listed(cause.ranges[:FIRST_RANGES])


def _more_lines(cause: Cause) -> str:
    """The lines that are shown on demand, and how many there are beyond; empty when there are none."""
    shown, beyond = cause.ranges[FIRST_RANGES:][:MORE_RANGES], cause.ranges[FIRST_RANGES + MORE_RANGES :]
    rest = cause.unlisted + sum(span.lines for span in beyond)
    more = words.counted(rest, "more line", "more lines") if rest else ""
    return " and ".join(part for part in (_listed(shown), more) if part)


def _more_count(cause: Cause) -> int:
    """How many lines are not shown at once."""
    return cause.unlisted + sum(span.lines for span in cause.ranges[FIRST_RANGES:])


def _listed(ranges: tuple[LineRange, ...]) -> str:
    return ", ".join(str(span) for span in ranges)
