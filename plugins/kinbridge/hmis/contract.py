"""The contract of one file of an HMIS export as YAML text. Pure: from the standard's facts to text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from kinbridge.hmis.names import feed_id, snake
from kinbridge.hmis.standard import SpecColumn, Version, codes_when, files
from kinbridge.hmis.structure import (
    DELETED,
    DIRECT,
    QUASI,
    SSN_PLACEHOLDERS,
    classification,
    date_orders,
    is_structural,
    key_of,
    references_of,
)

FILE_PATTERN = r"^hmis_(?P<period>\d{6})\.zip$"
DATE, DATETIME = "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss"
# Postgres counts repetitions up to this.
REPEATS = 255
# Files that refer to each other multiply mistakes: a row that is set aside takes along all that refer to it. Only when
# hardly anything is left does a person look first.
BAD_SHARE = 0.9


@dataclass(frozen=True)
class Export:
    """What is compiled: whose export, in which version, which of its files, and how the zip is named."""

    partner: str
    version: Version
    files: tuple[str, ...]
    file_pattern: str = FILE_PATTERN

    def feed(self, file: str) -> str:
        """The feed of one of the files."""
        return feed_id(self.partner, file, self.version)

    def columns(self, file: str) -> tuple[SpecColumn, ...]:
        """The columns of one of the files."""
        return files(self.version)[file]


def contract_text(export: Export, file: str) -> str:
    """The whole contract of one file."""
    return "\n".join(_lines(export, file)) + "\n"


def _lines(export: Export, file: str) -> Iterator[str]:
    columns, key = export.columns(file), key_of(export.columns(file))
    yield f"# Compiled from include/standards/hmis: {file}.csv of HMIS CSV {export.version}. `kinbridge hmis` wrote it."
    yield from (
        "kind: DataContract",
        "apiVersion: v3.1.0",
        f"id: {export.feed(file).replace('/', '.')}",
        f"name: {json.dumps(f'HMIS CSV {export.version}, {file}.csv')}",
        "version: 1.0.0",
        "status: active",
        "description:",
        f"  purpose: The file {file}.csv in the zip of an HMIS export.",
        "schema:",
        f"  - name: {snake(file)}",
        f"    physicalName: {file}.csv",
        "    physicalType: file",
        "    logicalType: object",
        f"    description: The file {file}.csv.",
        f"    dataGranularityDescription: One row for each {key.name}.",
    )
    yield from _between_columns(export, file)
    yield "    properties:"
    for column in columns:
        yield from _column(column, columns)
    yield from (
        "customProperties:",
        "  - property: delivery",
        "    value:",
        f"      filePattern: {_single(export.file_pattern)}",
        f"      member: {_single(member_pattern(file))}",
        "  - property: intake",
        f"    value: {{ maxBadRowShare: {BAD_SHARE}, shrinkBelow: 0{_change(columns)} }}",
        "  - property: pipeline",
        "    value: { schedule: '50 6 * * *' }",
    )


def member_pattern(file: str) -> str:
    """Which file of the zip it is: in any folder, in capitals or not."""
    return rf"(?i)(.*[/\\])?{file}\.csv"


def _change(columns: tuple[SpecColumn, ...]) -> str:
    """An export brings what changed; a row with a day of deletion deletes its key."""
    if all(column.name != DELETED for column in columns):
        return ""
    return f", kind: delta, change: {{ column: {snake(DELETED)}, delete: filled }}"


def _between_columns(export: Export, file: str) -> Iterator[str]:
    columns = export.columns(file)
    orders, references = date_orders(columns), references_of(columns, export.files)
    coded = [(column, when, codes) for column in columns for when, codes in codes_when(column).items()]
    if orders or references or coded:
        yield "    customProperties:"
    if orders:
        yield from ("      - property: dateOrder", "        value:")
        for earlier, later in orders:
            yield f"          - {{ earlier: {snake(earlier)}, later: {snake(later)} }}"
    if references:
        yield from ("      - property: references", "        value:")
        for column, theirs in references:
            key = snake(key_of(export.columns(theirs)).name)
            yield f"          - {{ feed: {export.feed(theirs)}, columns: {{ {snake(column.name)}: {key} }} }}"
    if coded:
        yield from ("      - property: codesWhen", "        value:")
        for column, when, codes in coded:
            yield f"          - column: {snake(column.name)}"
            yield f"            when: {snake(when)}"
            yield "            codes:"
            for code, listed in codes.items():
                yield f"              '{code}': [{', '.join(_single(one) for one in listed)}]"


def _column(column: SpecColumn, columns: tuple[SpecColumn, ...]) -> Iterator[str]:
    coded = column.code_set is not None
    kind = "string" if coded else {"datetime": "date"}.get(column.type, column.type)
    yield f"      - name: {snake(column.name)}"
    yield f"        physicalName: {column.name}"
    yield f"        logicalType: {kind}"
    options = list(_options(column, kind)) if not coded else []
    if options:
        yield f"        logicalTypeOptions: {{ {', '.join(options)} }}"
    if column.required:
        yield "        required: true"
    if column == key_of(columns):
        yield from ("        primaryKey: true", "        primaryKeyPosition: 1")
    yield f"        classification: {classification(column)}"
    # The standard's own words are not ours to copy; its name of the column is what people look up.
    yield f"        description: {json.dumps(f'{column.place} of HMIS CSV {column.version}.')}"
    extra = list(_custom(column, columns, kind))
    if extra:
        yield "        customProperties:"
        yield from extra


def _options(column: SpecColumn, kind: str) -> Iterator[str]:
    if kind == "date":
        yield f"format: {_single(DATETIME if column.type == 'datetime' else DATE)}"
    if column.pattern is not None:
        yield f"pattern: {_single(column.pattern)}"
    elif kind == "string" and column.length is not None:
        yield f"pattern: {_single(length_pattern(column.length))}"
    if column.minimum is not None:
        yield f"minimum: {column.minimum}"


def length_pattern(length: int) -> str:
    """A pattern for texts of one to so many characters."""
    first, rest = min(length, REPEATS), length - REPEATS
    return f"^.{{1,{first}}}{f'.{{0,{rest}}}' if rest > 0 else ''}$"


def _custom(column: SpecColumn, columns: tuple[SpecColumn, ...], kind: str) -> Iterator[str]:
    if column.name in DIRECT or column.name == "PersonalID":
        yield from ("          - property: directIdentifier", "            value: true")
    if column.name in QUASI:
        yield from ("          - property: quasiIdentifier", "            value: true")
    if column.code_set is not None:
        yield from ("          - property: codeSet", f"            value: {column.code_set}")
    if column.name == "SSN":
        listed = ", ".join(json.dumps(text) for text in SSN_PLACEHOLDERS)
        yield from ("          - property: placeholders", f"            value: [{listed}]")
    severity = ", ".join(f"{rule}: {severity}" for rule, severity in _severity(column, columns, kind))
    if severity:
        yield from ("          - property: severity", f"            value: {{ {severity} }}")


def _severity(column: SpecColumn, columns: tuple[SpecColumn, ...], kind: str) -> Iterator[tuple[str, str]]:
    """Without a sound value in a structural column the row is lost; of all others the value alone is."""
    if is_structural(column, columns):
        if kind == "string" and column.code_set is None:
            yield "format", "critical"
        return
    if column.required:
        yield "presence", "warning"
    if kind != "string":
        yield "type", "warning"
    if column.minimum is not None and column.code_set is None:
        yield "range", "warning"


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
