"""A preflight's result as JSON for programs and as a short page for people. Neither holds a value of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from kinbridge.ledger.states import State
from kinbridge.preflight.result import AT_ONCE, Finding, Result, findings
from kinbridge.receipt.model import Cause
from kinbridge.receive.receipt import receipt_of

# Causes and, for each, lines that are shown to a person; the JSON has all.
MOST_CAUSES = 12
MOST_RANGES = 6

HEADLINES = {
    State.ACCEPTED: "Every row would be accepted.",
    State.ACCEPTED_WITH_FINDINGS: "Every row would be accepted; some values could not be used and would be left empty.",
    State.PARTLY_ACCEPTED: "Some rows would be set aside; the others would be accepted.",
    State.HELD: "The file would be held until a person decides; nothing would be taken in before.",
    State.REFUSED: "Nothing of this file would be taken in.",
}
STEPS = {
    State.ACCEPTED: "Send the file.",
    State.ACCEPTED_WITH_FINDINGS: "Send the file; correct the causes in your system when you can.",
    State.PARTLY_ACCEPTED: "Correct the causes in your own system, export again, and run this again.",
    State.HELD: "Correct the causes in your own system, export again, and run this again.",
    State.REFUSED: "Correct the causes in your own system, export again, and run this again.",
}


def write_json(result: Result, out: TextIO) -> None:
    """One JSON object; the findings, however many, are its last member and go out as they are read."""
    head = json.dumps(_head(result), ensure_ascii=False, indent=1)
    out.write(head.removesuffix("\n}") + ',\n "findings": [')
    template, told = _Templates(), findings(result)
    separator = "\n  "
    while some := [template.text(finding) for finding in islice(told, AT_ONCE)]:
        out.write(separator + ",\n  ".join(some))
        separator = ",\n  "
    out.write("\n ]\n}\n")


def write_page(result: Result, console: Console) -> None:
    """The state, the account, the causes that matter most, and what to do."""
    good = "green" if result.good else "red"
    console.print(f"[bold]{result.feed.id}[/bold] {result.feed.version}, as of {result.as_of}", highlight=False)
    console.print(result.file.name, markup=False, highlight=False)
    console.print(f"[bold {good}]{result.state.value.replace('_', ' ')}[/]: {_headline(result.state)}")
    account = result.account
    fates = {
        "accepted": account.loaded + account.unchanged,
        "set aside": account.quarantined,
        "repeated": account.duplicate,
        "undecided": account.undecided,
    }
    told = ", ".join(f"{rows:,} {fate}" for fate, rows in fates.items() if rows) or "none"
    console.print(f"Rows: {account.source_rows:,} ({told})", highlight=False)
    causes = receipt_of(result.dsn, result.delivery_id).causes
    if causes:
        console.print(_table(causes))
    remedies = dict.fromkeys(f"{cause.code}: {cause.remedy}" for cause in causes[:MOST_CAUSES])
    for remedy in remedies:
        console.print(f"  {remedy}", markup=False, highlight=False)
    for note in result.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    for item in result.not_checked:
        what = item.rule or ", ".join(item.columns)
        console.print(f"Not checked: {what + ': ' if what else ''}{item.reason}.", markup=False, highlight=False)
    console.print(f"Next: {STEPS.get(result.state, 'Ask the office.')}", markup=False, highlight=False)


def _headline(state: State) -> str:
    return HEADLINES.get(state, "The file was not worked on to the end.")


def _table(causes: tuple[Cause, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("severity", "code", "what", "column", "rows", "lines"):
        table.add_column(name, overflow="fold", justify="right" if name == "rows" else "left")
    for cause in causes[:MOST_CAUSES]:
        lines = ", ".join(str(span) for span in cause.ranges[:MOST_RANGES])
        more = " …" if len(cause.ranges) > MOST_RANGES or cause.unlisted else ""
        more_of_it = cause.expected or cause.seen
        what = f"{cause.title} ({more_of_it})" if more_of_it else cause.title
        row = (cause.severity, cause.code, what, ", ".join(cause.columns), f"{cause.count:,}", lines + more)
        table.add_row(*(_plain(cell) for cell in row))
    if len(causes) > MOST_CAUSES:
        table.add_row("", "", f"and {len(causes) - MOST_CAUSES} more: --json lists them")
    return table


def _plain(text: str) -> str:
    """Brackets are themselves: names of columns are no markup."""
    return text.replace("[", r"\[")


def _head(result: Result) -> dict[str, Any]:
    account = result.account
    return {
        "feed": result.feed.id,
        "contract_version": result.feed.version,
        "file": result.file.name,
        "sha256": result.file.sha256,
        "as_of": result.as_of.isoformat(),
        "state": result.state.value,
        "held_by": list(result.held_by),
        "account": {
            "source_rows": account.source_rows,
            "loaded": account.loaded,
            "unchanged": account.unchanged,
            "quarantined": account.quarantined,
            "duplicate": account.duplicate,
            "undecided": account.undecided,
        },
        "notes": list(result.notes),
        "rules": [
            {
                "rule": count.rule,
                "code": count.code,
                "severity": count.severity,
                "scope": count.scope,
                "columns": list(count.columns),
                "found": count.found,
            }
            for count in result.rules
        ],
        "not_checked": [
            {"rule": item.rule, "columns": list(item.columns), "reason": item.reason} for item in result.not_checked
        ],
    }


class _Templates:
    """Findings of one rule differ by their line only, so what stands around it is made once for each rule."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, str]] = {}

    def text(self, finding: Finding) -> str:
        """One finding as JSON."""
        around = self.known.get(finding.rule)
        if around is None:
            dump: Callable[[Any], str] = lambda value: json.dumps(value, ensure_ascii=False)  # noqa: E731
            around = (
                f'{{"code": {dump(finding.code)}, "rule": {dump(finding.rule)}, "line": ',
                f', "column": {dump(finding.column)}, "severity": {dump(finding.severity)}}}',
            )
            self.known[finding.rule] = around
        return f"{around[0]}{'null' if finding.line is None else finding.line}{around[1]}"
