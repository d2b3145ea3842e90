"""Minutes: decisions as a page for people, in Markdown or HTML. Pure.

Texts in them were written by people, so both forms escape what would be markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from datetime import date

from kinbridge.decision.item import Item

TITLE = "Minutes of decisions"
HEAD = ("member", "ballot", "day", "reason", "entered")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~])")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2rem .5rem;text-align:left}"
    "dt{font-weight:600}h2{border-top:1px solid #ccc;padding-top:1rem}"
)


def as_markdown(found: Sequence[Item], first: date | None, last: date | None) -> str:
    """The minutes as Markdown."""
    lines = [f"# {TITLE}", "", _days(first, last, len(found)), ""]
    for item in found:
        lines += [f"## {item.day}: {_plain(item.title)}", ""]
        lines += [f"- {name}: {_plain(text)}" for name, text in _facts(item)]
        if item.options:
            lines += ["- options weighed:", *(f"  {n}. {_plain(text)}" for n, text in enumerate(item.options, 1))]
        if item.votes:
            lines += ["", f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
            lines += [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in _votes(item)]
        lines.append("")
    return "\n".join(lines)


def as_html(found: Sequence[Item], first: date | None, last: date | None) -> str:
    """The minutes as a page that stands by itself."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{TITLE}</title><style>{STYLE}</style></head><body><h1>{TITLE}</h1>",
        f"<p>{html.escape(_days(first, last, len(found)))}</p>",
    ]
    for item in found:
        parts.append(f"<h2>{item.day}: {html.escape(item.title)}</h2><dl>")
        parts += [f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in _facts(item)]
        if item.options:
            options = "".join(f"<li>{html.escape(text)}</li>" for text in item.options)
            parts.append(f"<dt>options weighed</dt><dd><ol>{options}</ol></dd>")
        parts.append("</dl>")
        if item.votes:
            parts.append(_table(_votes(item)))
    return "\n".join([*parts, "</body></html>", ""])


def _table(rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _facts(item: Item) -> list[tuple[str, str]]:
    facts = [
        ("outcome", f"{item.outcome}: {item.why}"),
        ("effective", item.effective),
        ("kind and subject", f"{item.kind}, {item.subject}"),
        ("text", item.digest),
        ("body", item.body),
        ("rule", item.rule),
        ("proposed by", item.proposed),
        ("for", item.reasons),
        ("asked", ", ".join(item.asked)),
        ("source", item.source),
    ]
    return [(name, text) for name, text in facts if text]


def _votes(item: Item) -> list[tuple[str, str, str, str, str]]:
    return [(vote.name, vote.choice, vote.on, vote.reason, vote.how) for vote in item.votes]


def _days(first: date | None, last: date | None, count: int) -> str:
    begin = f" from {first}" if first else ""
    end = f" to {last}" if last else ""
    return f"{count} decision(s){begin}{end}."


def _plain(text: str) -> str:
    """Text as one line of Markdown, with what would be markup shown as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
