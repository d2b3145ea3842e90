"""Reads from a contract what a delivery is of the whole: events, a snapshot, or a delta (`intake`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.contract.model import Column, Extent
from kinbridge.contract.walk import Properties, Walk
from kinbridge.standards import common_schema

KINDS = ("events", "snapshot", "delta")
OWN = {"snapshot": ("absence", "scope", "maxClosedShare"), "delta": ("change",)}


def read_extent(walk: Walk, top: Properties, columns: Iterable[Column]) -> Extent:
    """The feed's extent; events where the contract says nothing. What does not belong together is a problem."""
    where = (*top.place("intake"), "value")
    given = walk.mapping(top.values.get("intake"), "intake", *top.place("intake"))
    kind = given.get("kind", "events")
    if kind not in KINDS:
        walk.problem(f"intake.kind is one of {', '.join(KINDS)}", *where, "kind")
        return Extent()
    for other, names in OWN.items():
        for name in names:
            if name in given and kind != other:
                walk.problem(f"intake.{name} is for feeds of kind {other}", *where, name)
    if kind == "snapshot":
        return _snapshot(walk, given, where)
    return _delta(walk, given, where, {c.name for c in columns}) if kind == "delta" else Extent()


def _snapshot(walk: Walk, given: dict[str, Any], where: tuple[Any, ...]) -> Extent:
    absence, scope, share = given.get("absence", "nothing"), given.get("scope", []), given.get("maxClosedShare", 0.1)
    if absence not in {"nothing", "closed"}:
        walk.problem("intake.absence is nothing or closed", *where, "absence")
    if absence != "closed" and {"scope", "maxClosedShare"} & set(given):
        walk.problem("intake.scope and intake.maxClosedShare need absence: closed", *where)
    known = {element.column for elements in common_schema().values() for element in elements}
    if not isinstance(scope, list) or not known.issuperset(scope):
        walk.problem("intake.scope is a list of columns of the common schema", *where, "scope")
        scope = []
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        walk.problem("intake.maxClosedShare is a share from 0 to 1", *where, "maxClosedShare")
        share = 0.0
    return Extent("snapshot", absence == "closed", tuple(scope), float(share))


def _delta(walk: Walk, given: dict[str, Any], where: tuple[Any, ...], names: set[str]) -> Extent:
    change = walk.mapping(given.get("change"), "intake.change", *where, "change")
    column, codes = change.get("column"), change.get("delete")
    if column not in names:
        walk.problem("intake.change.column names no column", *where, *(("change",) if "change" in given else ()))
        return Extent("delta")
    if not isinstance(codes, list) or not codes or not all(isinstance(code, str) for code in codes):
        walk.problem("intake.change.delete is a list of the codes that mean deletion, as text", *where, "change")
        codes = []
    return Extent("delta", change_column=str(column), delete_codes=tuple(codes))
