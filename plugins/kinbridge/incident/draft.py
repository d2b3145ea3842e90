"""Drafts of notices, as text: to a partner's contact, a regulator, affected families, the media. Pure.

They hold names of elements, counts and clauses; the letter to families is a template without any name. Small counts are
not written into what leaves for the media or families.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kinbridge.incident.affected import Affected
from kinbridge.incident.deadline import Owed

SMALL = 11


@dataclass(frozen=True)
class Facts:
    """What every notice says: the incident's number, whether it is a drill, the office, when it was found out."""

    incident_id: int
    drill: bool
    office: str
    discovered: datetime
    note: str


def draft(notice: Owed, facts: Facts, affected: Affected, contact: str) -> str:
    """The text of one notice; `contact` is whom it goes to, in words."""
    kind = notice.addressee.split(" ", 1)[0]
    body = _letter(affected) if kind == "families" else _report(affected, kind, notice.addressee)
    head = ["DRILL - NOT A REAL INCIDENT", ""] if facts.drill else []
    return "\n".join(
        [
            *head,
            f"Notice of an incident, no. {facts.incident_id}",
            "",
            f"To:        {contact}",
            f"From:      {facts.office}",
            f"Found out: {facts.discovered:%Y-%m-%d %H:%M %Z}",
            f"Due by:    {notice.due_at:%Y-%m-%d %H:%M %Z}",
            f"Under:     {'; '.join(notice.clauses)}",
            "",
            *body,
            "",
            "This is a draft. Have counsel read it before it is sent.",
            "",
        ]
    )


def _report(affected: Affected, kind: str, addressee: str) -> list[str]:
    partner = addressee.split(" ", 1)[1] if kind == "partner" else None
    feeds = {
        feed: count
        for feed, count in affected.persons_by_feed.items()
        if partner is None or feed.split("/", 1)[0] == partner
    }
    lines = [f"What happened: {affected.what} may have been seen, taken or changed by somebody without authority.", ""]
    if kind == "media":
        lines.append(f"How many people are affected: {_about(affected.persons)}.")
    else:
        lines.append(f"How many people are affected: {affected.persons:,}.")
        lines += [f"- {feed}: {count:,} people" for feed, count in feeds.items()]
        lines += ["", f"How this was worked out: {affected.how}."]
    for name, elements in affected.elements.items():
        own = [element for element in elements if partner is None or element.split("/", 1)[0] in {partner, element}]
        if own and kind != "media":
            lines += ["", f"Elements ({name}): {', '.join(own)}."]
    if affected.recipients and kind != "media":
        lines += ["", f"Recipients of the release: {', '.join(affected.recipients)}."]
    return [*lines, "", "What we do: [say what was done to stop it, to find out, and to keep it from happening again]"]


def _letter(affected: Affected) -> list[str]:
    kinds = sorted(
        {element.rsplit(".", 1)[-1].replace("_", " ") for each in affected.elements.values() for element in each}
    )
    return [
        "Dear parent or guardian,",
        "",
        "Information about your family, which agencies share with us under agreements, may have been seen by somebody",
        "without authority.",
        "",
        f"Kinds of information: {', '.join(kinds) or '[name them]'}.",
        "",
        "What we do: [say what was done to stop it and to keep it from happening again]",
        "What you can do: [steps by which people can protect themselves]",
        "Whom you can ask: [telephone, e-mail, address; free of charge]",
    ]


def _about(count: int) -> str:
    return f"fewer than {SMALL}" if count < SMALL else f"{count:,}"
