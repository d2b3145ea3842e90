"""Reads from a contract what a delivery is of the whole: events, a snapshot, or a delta (`intake`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinbridge.contract.model import Column, Extent
from kinbridge.contract.walk import Properties, Walk
from kinbridge.declaration.document import Where
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
    return _delta(walk, given, where, {c.name: c for c in columns}) if kind == "delta" else Extent()


def _snapshot(walk: Walk, given: dict[str, Any], where: Where) -> Extent:
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


def _delta(walk: Walk, given: dict[str, Any], where: Where, columns: dict[str, Column]) -> Extent:
    change = walk.mapping(given.get("change"), "intake.change", *where, "change")
    column = change.get("column")
    if column not in columns:
        walk.problem("intake.change.column names no column", *where, *(("change",) if "change" in given else ()))
        return Extent("delta")
    if change.get("delete") == "filled" and "rekey" not in change:
        # A day of deletion, as registers have it: whatever stands in the column, the row is deleted.
        return Extent("delta", change_column=str(column), delete_filled=True)
    deletes: list[str] = change["delete"] if _codes(change.get("delete")) else []
    if not deletes and ("delete" in change or "rekey" not in change):
        walk.problem("intake.change.delete is a list of the codes that mean deletion, as text", *where, "change")
    rekeys, former = _rekey(walk, change, (*where, "change"), columns)
    if set(rekeys) & set(deletes):
        walk.problem("a code of intake.change means deletion or a changed key, not both", *where, "change")
    return Extent(
        "delta", change_column=str(column), delete_codes=tuple(deletes), rekey_codes=rekeys, former_key=former
    )


def _codes(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(code, str) for code in given)


def _rekey(
    walk: Walk, change: dict[str, Any], where: Where, columns: dict[str, Column]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The codes of a changed key, and by key column the one with the former value."""
    if not {"rekey", "formerKey"} & set(change):
        return (), ()
    codes, given = change.get("rekey"), change.get("formerKey")
    former = given if isinstance(given, dict) else {}
    if not _codes(codes) or not codes:
        walk.problem("intake.change.rekey is a list of the codes that mean a changed key, as text", *where)
        codes = []
    if not former:
        walk.problem("intake.change.formerKey maps key columns to the columns with their former values", *where)
    for key, name in former.items():
        ours, old = columns.get(str(key)), columns.get(str(name))
        if ours is None or ours.key_position is None:
            walk.problem(f"intake.change.formerKey names {str(key)!r}, which is no key column", *where, "formerKey")
        elif old is None or old.key_position is not None or list(former.values()).count(name) > 1:
            walk.problem(f"{str(name)!r} of intake.change.formerKey is no column of its own", *where, "formerKey")
        elif (ours.logical_type, ours.date_format) != (old.logical_type, old.date_format):
            walk.problem(
                f"{str(key)!r} and {str(name)!r} of intake.change.formerKey differ in type", *where, "formerKey"
            )
    return tuple(codes), tuple((str(key), str(name)) for key, name in former.items())
