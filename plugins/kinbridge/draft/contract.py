"""The contract of a draft as YAML text, with what is not sure marked. Pure: from a profile to text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kinbridge.check.decisions import MARK
from kinbridge.draft.names import classification, direct, sounds_like_codes
from kinbridge.draft.profile import FEW, FITS, Field, Profile
from kinbridge.draft.sample import Form
from kinbridge.draft.suggest import person_column, suggestions
from kinbridge.standards import Element

_PLAIN = re.compile(r"^[A-Za-z][A-Za-z0-9_ -]*[A-Za-z0-9_]$|^[A-Za-z]$")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})
_MONTH = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?=[0-9]{2}(?![0-9])|(?![0-9]))")


@dataclass(frozen=True)
class Draft:
    """What a draft is made of. `code_sets` says which code list a column refers to: a crosswalk's or a standard one."""

    feed_id: str
    sample: str
    form: Form
    profile: Profile
    schema: dict[str, list[Element]]
    code_sets: dict[str, str] = field(default_factory=dict)

    @property
    def partner(self) -> str:
        """The partner's code."""
        return self.feed_id.split("/")[0]

    @property
    def what(self) -> str:
        """The feed without partner and version: `certifications`."""
        return re.sub(r"_v\d+$", "", self.feed_id.split("/")[1])


def contract_text(draft: Draft) -> str:
    """The whole contract."""
    return "\n".join(_lines(draft)) + "\n"


def scalar(text: str) -> str:
    """A text as YAML writes it: plain where that is safe, quoted otherwise."""
    if _PLAIN.match(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def file_pattern(name: str) -> tuple[str, bool]:
    """A pattern for the sample's name and its like of other months; whether the name tells the month."""
    found = _MONTH.search(name)
    if found is None:
        return f"^{re.escape(name)}$", False
    after = name[found.end() :]
    day = re.match(r"[0-9]{2}", after)
    rest = r"\d{2}" + re.escape(after[2:]) if day else re.escape(after)
    return f"^{re.escape(name[: found.start()])}(?P<period>\\d{{6}}){rest}$", True


def _lines(draft: Draft) -> Iterator[str]:
    found = draft.profile
    yield f"# A draft, made of a sample of {found.rows:,} rows. It holds when every mark is decided and removed."
    yield from (
        "kind: DataContract",
        "apiVersion: v3.1.0",
        f"id: {draft.feed_id.replace('/', '.')}",
        f"name: {scalar(f'{draft.partner} {draft.what}'.replace('_', ' '))}",
        "version: 1.0.0",
        "status: draft",
        "description:",
        f"  # {MARK} what the file is for, in one sentence",
        "  purpose: Not written yet.",
        "schema:",
        f"  - name: {scalar(draft.what)}",
        "    physicalType: file",
        "    logicalType: object",
        "    description: One file.",
    )
    if draft.form.header and found.ragged:
        yield f"    # {found.ragged:,} rows of the sample have another number of fields than the header."
    yield from (
        "    quality:",
        "      - type: library",
        "        metric: rowCount",
        f"        mustBeBetween: [1, {_roof(found.rows)}]",
        "        description: An empty file is a mistake of the extract.",
    )
    told = (
        "" if found.key_fits else "; in the sample it told nearly all rows apart" if found.key else "; none was found"
    )
    yield f"    # {MARK} whether {', '.join(found.key)} tells one row from another{told}"
    yield f"    # {MARK} of each column below: meaning, classification, and whether it may be empty"
    yield "    properties:"
    for one in found.fields:
        yield from _column(draft, one)
    yield from _delivery(draft)


def _column(draft: Draft, one: Field) -> Iterator[str]:
    near = suggestions(one.name, draft.schema)
    if near:
        yield f"      # Suggestion: {' or '.join(element.name for element in near)}."
    yield from (f"      # {note}" for note in _notes(draft, one))
    yield f"      - name: {scalar(one.name)}"
    if one.header != one.name:
        yield f"        physicalName: {scalar(one.header)}"
    yield f"        logicalType: {one.logical_type}"
    if one.date_format:
        yield f"        logicalTypeOptions: {{ format: {one.date_format} }}"
    # Without its key, or its person, a row could not be loaded.
    if one.filled or one.name in {*draft.profile.key, person_column(draft.profile)}:
        yield "        required: true"
    if one.name in draft.profile.key:
        yield "        primaryKey: true"
        yield f"        primaryKeyPosition: {draft.profile.key.index(one.name) + 1}"
    yield f"        classification: {classification(one.name)}"
    if near:
        yield f"        description: {scalar(near[0].meaning)}"
    else:
        yield f"        # {MARK} what the column means"
        yield "        description: Not described yet."
    extra = list(_custom(draft, one))
    if extra:
        yield "        customProperties:"
        yield from extra


def _notes(draft: Draft, one: Field) -> Iterator[str]:
    """What the sample says of the column, and what it leaves open."""
    if not one.filled and one.rows:
        if one.empty == one.rows:
            yield "Empty in every row of the sample."
        elif one.empty < FEW * one.rows:
            yield f"{MARK} whether it may be empty: {one.empty:,} of {one.rows:,} rows are"
        else:
            yield f"Empty in {one.empty:,} of {one.rows:,} rows."
    if one.other_format:
        yield f"{MARK} the format of the dates: {one.date_format} and {one.other_format} both fit"
    if one.misfits:
        yield f"{one.misfits:,} value(s) of the sample are no {one.logical_type}."
    if one.rare_codes and one.name in draft.code_sets:
        yield f"{MARK} the codes that are missing from the list: {one.rare_codes} rare one(s) were seen and not written"
    if sounds_like_codes(one.name) and one.logical_type == "string" and one.name not in draft.code_sets:
        yield f"{MARK} whether it holds codes: if so, ask for the list; too few rows share a value to write any"


def _custom(draft: Draft, one: Field) -> Iterator[str]:
    if direct(one.name):
        yield from ("          - property: directIdentifier", "            value: true")
    if one.name in draft.code_sets:
        yield from ("          - property: codeSet", f"            value: {draft.code_sets[one.name]}")
    if one.placeholders:
        listed = ", ".join(json.dumps(text, ensure_ascii=False) for text in one.placeholders)
        yield from ("          - property: placeholders", f"            value: [{listed}]")


def _delivery(draft: Draft) -> Iterator[str]:
    pattern, told = file_pattern(Path(draft.sample).name)
    form = draft.form
    yield from ("customProperties:", "  - property: delivery", "    value:")
    if not told:
        yield f"      # {MARK} the name of the files; a group (?P<period>...) takes the month as yyyyMM"
    yield f"      filePattern: {_single(pattern)}"
    yield from (f"      # {MARK} {doubt}" for doubt in form.doubts)
    yield from (
        "      format: delimited",
        f"      delimiter: {json.dumps(form.delimiter)}",
        f"      encoding: {form.encoding}",
        f"      header: {str(form.header).lower()}",
        f"      quoteChar: {json.dumps(form.quote_char)}",
        "  - property: intake",
        f"    # {MARK} the share of bad rows above which a person has to look at the file",
        f"    value: {{ maxBadRowShare: {round(1 - FITS, 2)} }}",
        "  - property: pipeline",
        f"    # {MARK} when to look for new files, as a cron line in UTC",
        "    value: { schedule: '50 6 * * *' }",
    )


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _roof(rows: int) -> int:
    """A round number far above the sample's rows."""
    return max(10_000, int(10 ** len(str(rows * 10))))
