"""Writes a draft: contract, transform, crosswalks, README; where they are missing, a profile and an agreement too.

It never writes over a file. Of the sample it writes the header, codes that many rows share in columns that are about no
person, and known stand-ins for "not known"; nothing else.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.check.decisions import MARK
from kinbridge.contract.columns import NAME
from kinbridge.contract.odcs import LONGEST_FEED
from kinbridge.draft.contract import Draft, contract_text, scalar
from kinbridge.draft.mapping import crosswalk_text, elements_text, transform_text
from kinbridge.draft.profile import Field, profile
from kinbridge.draft.sample import form_of, rows_of
from kinbridge.draft.suggest import suggestions
from kinbridge.draft.unsigned import Written, agreement_text, profile_text, write_all
from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import profile_path
from kinbridge.settings import include_folders
from kinbridge.standards import CodeSet, Element, code_set, common_schema

FEED = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*_v\d+")


def write_draft(
    feed_id: str, sample: Path, *, out: Path | None = None, header: bool | None = None, today: date
) -> Written:
    """Draft the feed from the sample into an include folder: `out`, or the last one that is configured.

    Raises `KinbridgeError`: KB-P01 no such sample, KB-P11 not delimited text, KB-P12 no name of a feed, KB-P13 there is
    such a feed already.
    """
    if not FEED.fullmatch(feed_id) or len(feed_id) > LONGEST_FEED:
        raise KinbridgeError("KB-P12", feed=feed_id)
    if not sample.is_file():
        raise KinbridgeError("KB-P01", file=sample.name)
    partner, name = feed_id.split("/")
    include = out or include_folders()[-1]
    folder = include / "partners" / partner / "feeds" / name
    if folder.exists():
        raise KinbridgeError("KB-P13", path=folder)
    return write_all(dict(_texts(draft_of(feed_id, sample, header=header), include, folder, today)))


def draft_of(feed_id: str, sample: Path, *, header: bool | None = None) -> Draft:
    """Look at the sample. Raises KB-P11 when it is no delimited text or its header names a column twice."""
    form = form_of(sample, header=header)
    rows = rows_of(sample, form)
    headers = [cell.strip() for cell in next(rows)] if form.header else [f"column_{n + 1}" for n in range(form.width)]
    if len({header.lower() for header in headers}) < len(headers):
        raise KinbridgeError("KB-P11", file=sample.name, problem="its header names one column twice, or two not at all")
    found = profile(rows, headers)
    schema = common_schema()
    code_sets = {one.name: _code_list(one, schema)[0] for one in found.fields if one.codes}
    return Draft(feed_id, sample.name, form, found, schema, code_sets)


def _texts(draft: Draft, include: Path, folder: Path, today: date) -> Iterator[tuple[Path, str]]:
    yield folder / "contract.odcs.yaml", contract_text(draft)
    yield folder / "transform.sql", transform_text(draft)
    yield folder / "README.md", f"# {draft.feed_id}\n\n{draft.what.replace('_', ' ').capitalize()}.\n\n## Quirks\n"
    for one in draft.profile.fields:
        if draft.code_sets.get(one.name, "").startswith("codes/"):
            _, element, standard = _code_list(one, draft.schema)
            known = _in_words(standard) if standard else {}
            yield folder / "codes" / f"{one.name}.csv", crosswalk_text(one, element, known)
    profile_file = folder.parents[1] / "profile.yaml"
    if not profile_path(draft.partner).is_file() and not profile_file.is_file():
        yield profile_file, profile_text(draft.partner, "data manager")
    declared = read_declared(list(dict.fromkeys([*include_folders(), include])))
    agreement = include / "agreements" / f"{draft.feed_id.replace('/', '__')}.yaml"
    if not agreement.exists() and not any(draft.feed_id in one.feeds for one, _ in declared.agreements):
        yield agreement, _agreement_text(draft, declared, today)


def _code_list(one: Field, schema: dict[str, list[Element]]) -> tuple[str, Element | None, CodeSet | None]:
    """What the column's codes refer to, the element that they say, and its standard list where there is one."""
    for element in suggestions(one.name, schema):
        try:
            standard = code_set(element.column)
        except KinbridgeError:
            continue
        if set(one.codes) <= set(standard.codes):
            return f"standard/{element.column}", element, standard
        return f"codes/{one.name}.csv", element, standard
    near = [element for element in suggestions(one.name, schema) if NAME.match(element.column)]
    return f"codes/{one.name}.csv", near[0] if near else None, None


def _in_words(standard: CodeSet) -> dict[str, str]:
    """The standard's codes by themselves and by their labels, in small letters."""
    with standard.path.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    named = {str(row["label"]).lower(): str(row["code"]) for row in rows if row.get("label")}
    return {**named, **{code.lower(): code for code in standard.codes}}


def _agreement_text(draft: Draft, declared: Declared, today: date) -> str:
    elements = "".join(f"      - {scalar(element)}\n" for element in elements_text(draft))
    return agreement_text(
        slug=draft.feed_id.replace("/", "-"),
        about=f"{draft.partner} {draft.what}",
        partner=draft.partner,
        feeds=f"""\
  {draft.feed_id}:
    # {MARK} which columns are needed for the use cases; a column that is not listed is never read
    elements:
{elements}""",
        declared=declared,
        today=today,
    )
