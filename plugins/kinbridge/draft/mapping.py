"""The transform and the crosswalks of a draft as text: the least that maps, and suggestions in comments. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from kinbridge.check.decisions import MARK
from kinbridge.draft.contract import Draft
from kinbridge.draft.names import classification
from kinbridge.draft.profile import Field
from kinbridge.draft.suggest import person_column, suggestions
from kinbridge.standards import Element


def transform_text(draft: Draft) -> str:
    """One statement that gives the person's id alone; the rest stands below it as suggestions to be taken over."""
    person = person_column(draft.profile)
    taken = _suggested(draft)
    lines = [
        f"-- A draft: {draft.feed_id} to the common schema. Suggestions come from names of columns alone.",
        f"-- {MARK} which tables the rows go to; each one gets a SELECT of its own below a `-- target:` line",
        "",
        "-- target: person",
        f"-- grain: one row per {person}",
        "-- sources: source",
        f"-- {MARK} whether {person} is the partner's id of the person, the same in all its feeds",
        f"SELECT DISTINCT ON (source.{person})",
        "    source.line_no,",
        f"    source.{person} AS source_person_id",
    ]
    for element, source in taken.get("person", ()):
        if element.column != "source_person_id":
            lines.append(f"    -- , {source} AS {element.column}")
    lines += ["FROM source", *_joins(taken.get("person", ())), "ORDER BY"]
    lines += [f"    source.{person},", "    source.line_no;"]
    for entity, pairs in taken.items():
        if entity != "person":
            lines += ["", f"-- What sounds like elements of {entity}:"]
            lines += [f"--     {source} AS {element.column}" for element, source in pairs]
    return "\n".join(lines) + "\n"


def crosswalk_text(one: Field, element: Element | None, known: Mapping[str, str]) -> str:
    """A crosswalk of the column's common codes.

    `known` has the standard's codes by their words in small letters; a code in these very words is mapped to it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["code", element.column if element else "meaning", "note"])
    for code in one.codes:
        same = known.get(code.lower(), "")
        writer.writerow([code, same, "" if same else f"{MARK} what the code means"])
    return out.getvalue()


def elements_text(draft: Draft) -> list[str]:
    """The columns that a draft agreement names: all but those that look restricted, and the person's id always."""
    person = person_column(draft.profile)
    return [
        one.name
        for one in draft.profile.fields
        if classification(one.name) != "restricted" or one.name in {person, *draft.profile.key}
    ]


def _suggested(draft: Draft) -> dict[str, list[tuple[Element, str]]]:
    """For each table the elements that columns sound like, each with the expression."""
    found: dict[str, list[tuple[Element, str]]] = {}
    for one in draft.profile.fields:
        for element in suggestions(one.name, draft.schema):
            crosswalk = draft.code_sets.get(one.name, "").startswith("codes/")
            source = f"codes_{one.name}.{element.column}" if crosswalk else f"source.{one.name}"
            found.setdefault(element.entity, []).append((element, source))
    return found


def _joins(pairs: Iterable[tuple[Element, str]]) -> list[str]:
    """The joins that the suggestions need, in comments as well."""
    lines = []
    for _, source in pairs:
        relation = source.split(".")[0]
        if relation != "source":
            column = relation.removeprefix("codes_")
            lines.append(f"-- LEFT JOIN {relation} ON source.{column} = {relation}.code")
    return lines
