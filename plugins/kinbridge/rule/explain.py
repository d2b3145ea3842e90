"""The rule for a target as text and as JSON: each demand, its value, the clauses that won, and what they beat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kinbridge.law.demand import LADDERS, MEANINGS, Kind
from kinbridge.law.model import Law, Trait
from kinbridge.rule.model import Demand, Effective, Outcome, plain, worded
from kinbridge.rule.target import Explained

ADVICE = (
    "Not legal advice. Counsel reads the cited texts and edits include/laws; docs/laws.md says what is not modelled."
)
# Of these an element has its own share, or none.
TRAITS = (Kind.GEOGRAPHY, Kind.DATES, Kind.AGE_TOP_CODE)


def as_text(found: Explained) -> Iterator[str]:
    """The lines that a person reads."""
    yield f"{found.target}, {found.what}, on {found.day.isoformat()}"
    yield ADVICE
    yield from found.notes
    for action, rule in found.rules.items():
        kinds = _kinds(rule, found.trait)
        if not kinds and not rule.lifted:
            continue
        yield ""
        yield action
        for kind in kinds:
            yield from _outcome(rule.outcomes[kind], found.trait if action == "release" else None)
        for lifted in {str(one.source): one for one in rule.lifted}.values():
            yield f"  lifted: {lifted.source}"
            yield f"      by     {lifted.by}"


def _outcome(outcome: Outcome, trait: Trait | None) -> Iterator[str]:
    yield f"  {outcome.kind.replace('_', ' ')}: {worded(outcome.kind, outcome.value)}  ({MEANINGS[outcome.kind]})"
    if trait is not None and (own := _too_fine(outcome, trait)):
        yield f"      as it stands it may not go: it tells {own}"
    for word, demands in (("won", outcome.won), ("beat", outcome.lost)):
        for text, abouts in _grouped(outcome.kind, demands, with_value=word == "beat").items():
            yield f"      {word:<6} {text}"
            yield f"             over {', '.join(abouts)}"


def _grouped(kind: Kind, demands: Iterable[Demand], *, with_value: bool) -> dict[str, list[str]]:
    """Each clause once, with all that it binds."""
    grouped: dict[str, list[str]] = {}
    for demand in demands:
        value = f"{worded(kind, demand.value)}: " if with_value or isinstance(demand.value, frozenset) else ""
        text = f"{value}{demand.source}" + (" [guidance]" if demand.source.force == "guidance" else "")
        grouped.setdefault(text, []).append(demand.source.about or "everything")
    return grouped


def _too_fine(outcome: Outcome, trait: Trait) -> str | None:
    """What the element tells that is finer than the rule allows, in words; None when it may stand."""
    own = {Kind.GEOGRAPHY: trait.geography, Kind.DATES: trait.dates}.get(outcome.kind)
    if own is None:
        return None
    ladder = LADDERS[outcome.kind]
    finer = ladder.index(own) > ladder.index(str(outcome.value))
    return f"{outcome.kind} that are {own}" if finer else None


def _kinds(rule: Effective, trait: Trait | None) -> list[Kind]:
    """The kinds to show: of an element, of places and dates only those that it can tell."""
    if trait is None:
        return list(rule.outcomes)
    told = {Kind.GEOGRAPHY: trait.geography, Kind.DATES: trait.dates, Kind.AGE_TOP_CODE: trait.ages}
    return [kind for kind in rule.outcomes if kind not in TRAITS or told[kind]]


def as_data(found: Explained) -> dict[str, Any]:
    """The same for machines; every kind is in it."""
    return {
        "target": found.target,
        "what": found.what,
        "day": found.day.isoformat(),
        "advice": ADVICE,
        "notes": list(found.notes),
        "actions": {action: _rule(rule) for action, rule in found.rules.items()},
    }


def _rule(rule: Effective) -> dict[str, Any]:
    demands = {
        kind.value: {
            "value": plain(outcome.value),
            "won": [_demand(demand) for demand in outcome.won],
            "beat": [_demand(demand) for demand in outcome.lost],
        }
        for kind, outcome in rule.outcomes.items()
    }
    lifted = [{"clause": str(one.source), "citation": one.citation, "by": str(one.by)} for one in rule.lifted]
    return {"demands": demands, "lifted": lifted}


def _demand(demand: Demand) -> dict[str, Any]:
    source = demand.source
    return {
        "value": plain(demand.value),
        "from": source.name,
        "clause": source.clause,
        "citation": source.citation,
        "force": source.force,
        "place": source.place,
        "over": source.about,
    }


def laws_as_text(laws: Iterable[Law]) -> Iterator[str]:
    """One line for each law, one for each clause below it."""
    yield ADVICE
    for law in laws:
        reviewed = f"reviewed by {law.reviewed}" if law.reviewed else "reviewed by no counsel"
        yield ""
        yield f"{law.id}: {law.title} ({law.citation}); text as of {law.as_of.isoformat()}, {reviewed}"
        for clause in law.clauses:
            demands = "; ".join(f"{kind.replace('_', ' ')} {worded(kind, v)}" for kind, v in clause.demands.items())
            about = ", ".join(sorted(clause.scope.classes)) or "any data"
            guidance = " [guidance]" if clause.force == "guidance" else ""
            yield f"  {clause.id:<28} {clause.citation}{guidance}"
            yield f"      {', '.join(sorted(clause.scope.actions))} of {about}: {demands}"


def laws_as_data(laws: Iterable[Law]) -> list[dict[str, Any]]:
    """The laws for machines."""
    return [
        {
            "id": law.id,
            "title": law.title,
            "citation": law.citation,
            "as_of": law.as_of.isoformat(),
            "reviewed": law.reviewed or None,
            "clauses": [
                {
                    "id": clause.id,
                    "citation": clause.citation,
                    "force": clause.force,
                    "summary": clause.summary,
                    "classes": sorted(clause.scope.classes) or "any",
                    "actions": sorted(clause.scope.actions),
                    "roles": sorted(clause.scope.roles),
                    "unless_cited": list(clause.scope.unless_cited),
                    "where_cited": list(clause.scope.where_cited),
                    "demands": {kind.value: plain(value) for kind, value in clause.demands.items()},
                    "line": clause.line,
                }
                for clause in law.clauses
            ],
        }
        for law in laws
    ]
