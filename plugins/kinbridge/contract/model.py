"""What a contract says, as plain values. Nothing here reads files or talks to a database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal

Severity = Literal["critical", "warning"]
NamePart = Literal["first", "last"]
LogicalType = Literal["string", "date", "integer", "number"]
Format = Literal["delimited", "fixed_width", "excel", "json", "ndjson", "xml", "x12_834", "hl7_v2"]
ManifestFormat = Literal["json", "csv", "sha256sums"]


class Kind(StrEnum):
    """The kinds of rule. Each has one finding code in the catalogue and one default severity."""

    PRESENCE = "presence"
    TYPE = "type"
    FORMAT = "format"
    CODE_SET = "code_set"
    PLACEHOLDER = "placeholder"
    RANGE = "range"
    DATE_ORDER = "date_order"
    UNIQUE = "unique"
    REFERENCE = "reference"
    SHAPE = "shape"
    UNMAPPED = "unmapped"
    OVERLAP = "overlap"
    CONSISTENT = "consistent"
    PERSONAL_NAME = "personal_name"
    FORMER_KEY = "former_key"
    ROW_COUNT = "row_count"
    HEADER = "header"
    NEW_COLUMN = "new_column"
    READABLE = "readable"
    BAD_SHARE = "bad_share"
    MISSING_COLUMN = "missing_column"
    DRIFT = "drift"
    SHRUNK = "shrunk"
    CLOSED_SHARE = "closed_share"
    MANIFEST_ROWS = "manifest_rows"


CODES: dict[Kind, str] = {
    Kind.PRESENCE: "KB-R01",
    Kind.TYPE: "KB-R02",
    Kind.FORMAT: "KB-R03",
    Kind.CODE_SET: "KB-R04",
    Kind.PLACEHOLDER: "KB-R05",
    Kind.RANGE: "KB-R06",
    Kind.DATE_ORDER: "KB-R07",
    Kind.UNIQUE: "KB-R08",
    Kind.REFERENCE: "KB-R09",
    Kind.SHAPE: "KB-R10",
    Kind.UNMAPPED: "KB-R11",
    Kind.OVERLAP: "KB-R12",
    Kind.CONSISTENT: "KB-R13",
    Kind.PERSONAL_NAME: "KB-R14",
    Kind.FORMER_KEY: "KB-R15",
    Kind.ROW_COUNT: "KB-F01",
    Kind.HEADER: "KB-F02",
    Kind.NEW_COLUMN: "KB-F03",
    Kind.READABLE: "KB-F04",
    Kind.BAD_SHARE: "KB-F05",
    Kind.MISSING_COLUMN: "KB-F06",
    Kind.DRIFT: "KB-F07",
    Kind.SHRUNK: "KB-F08",
    Kind.CLOSED_SHARE: "KB-F09",
    Kind.MANIFEST_ROWS: "KB-F10",
}

# Kinds that speak of a whole file rather than of one row.
FILE_KINDS = frozenset(
    {
        Kind.ROW_COUNT,
        Kind.HEADER,
        Kind.NEW_COLUMN,
        Kind.MISSING_COLUMN,
        Kind.READABLE,
        Kind.BAD_SHARE,
        Kind.DRIFT,
        Kind.SHRUNK,
        Kind.CLOSED_SHARE,
        Kind.MANIFEST_ROWS,
    }
)

# Kinds that no condition over one row's values can tell: staging notes the lines at fault, once.
FAULT_KINDS = frozenset({Kind.OVERLAP, Kind.CONSISTENT, Kind.PERSONAL_NAME, Kind.FORMER_KEY})

# Kinds of which a breach is recorded, and the row taken, unless the contract says otherwise. Overlapping spells and
# rows that contradict each other are here, unlike dates in the wrong order: each row may be right, only not all of
# them, and overlapping spells of a program are one spell once they are integrated.
WARNINGS = frozenset(
    {
        Kind.FORMAT,
        Kind.CODE_SET,
        Kind.PLACEHOLDER,
        Kind.OVERLAP,
        Kind.CONSISTENT,
        Kind.PERSONAL_NAME,
        Kind.FORMER_KEY,
        Kind.NEW_COLUMN,
        Kind.MISSING_COLUMN,
    }
)

DEFAULT_SEVERITY: dict[Kind, Severity] = {kind: "warning" if kind in WARNINGS else "critical" for kind in Kind}


@dataclass(frozen=True)
class Rule:
    """One thing that a contract demands of a row or of a file.

    `columns` are contract names. Those of spells end with begin and end, those of rows that must say the same with the
    column that they say; what comes before tells which rows belong together. Of the rest, only what the kind needs is
    set: `values` for code sets and placeholders, `pairs` for codes of the second column that go with those of the
    first, `pattern` for formats, `minimum`/`maximum` for ranges and row counts (dates as ISO text; `asOf` stands for
    the delivery's as-of date), `reference` for the feed and columns that must know the key, or the former key.
    """

    id: str
    kind: Kind
    severity: Severity
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    reference: Reference | None = None
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def code(self) -> str:
        """The finding code of the rule's kind."""
        return CODES[self.kind]

    @property
    def scope(self) -> Literal["row", "file"]:
        """Whether a row or the whole file breaks the rule."""
        return "file" if self.kind in FILE_KINDS else "row"


@dataclass(frozen=True)
class Reference:
    """A key that a sibling feed must have delivered: our columns, and the sibling's, in the same order."""

    feed: str
    columns: tuple[str, ...]
    their_columns: tuple[str, ...]
    line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Spells:
    """Spells of one subject, and within the same values of `within`, must not overlap: from `begins` to `ends`."""

    subject: tuple[str, ...]
    within: tuple[str, ...]
    begins: str
    ends: str
    severity: Severity = "warning"


@dataclass(frozen=True)
class Consistency:
    """Rows with the same values in the columns `by` must say the same in each of `columns`."""

    by: tuple[str, ...]
    columns: tuple[str, ...]
    severity: Severity = "warning"


@dataclass(frozen=True)
class CodePairs:
    """Which codes of `column` go with which of the column `when`: pairs of a code of `when` and one of `column`."""

    column: str
    when: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Column:
    """One column of a feed: its contract name, its header in the partner's file, its type, what it may hold.

    In formats whose records have no header, `header` is the path of the value in a record (see `contract.paths`).
    `position` is where a fixed-width line has it: first character, from 1, and length. `person_name` says that the
    column holds a person's first or last name; `no_names`, that it must hold none: neither one of its own row
    nor, beside another word, one of `listed_names`.
    """

    name: str
    header: str
    logical_type: LogicalType
    description: str
    classification: str
    required: bool = False
    key_position: int | None = None
    date_format: str | None = None
    pattern: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    code_set: str | None = None
    codes: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    severity: dict[str, Severity] = field(default_factory=dict)
    line: int = 1
    position: tuple[int, int] | None = None
    person_name: NamePart | None = None
    no_names: bool = False
    listed_names: tuple[str, ...] = ()

    def severity_of(self, kind: Kind) -> Severity:
        """The severity of a rule of this kind on this column: the contract's, or the kind's default."""
        return self.severity.get(kind.value, DEFAULT_SEVERITY[kind])


@dataclass(frozen=True)
class Mark:
    """A header or trailer record of a fixed-width file: how its line begins, and where it counts the records.

    `count` is first character, from 1, and length; None where the record has no count.
    """

    prefix: str
    count: tuple[int, int] | None = None


@dataclass(frozen=True)
class ManifestTerms:
    """How the manifest of the feed's files is named (a regular expression over the whole name) and written."""

    file_pattern: str
    format: ManifestFormat


@dataclass(frozen=True)
class Dialect:
    """How the partner writes the file: name, format, encoding, and what the format leaves open.

    `delimiter`, `quote_char` and `header` are for delimited text; `skip_lines` for text with lines before its header or
    first row; `header_record` and `trailer_record` for fixed width; `sheet` (a name, or a number from 1) and
    `header_row` for workbooks; `records` is the path of the records in JSON and XML; `member` is a regular expression
    for the name of the file in a zip that has several. `manifest` says that files come with a manifest, `nothing` is a
    regular expression for the name of the file by which the partner attests that there is nothing to report.
    """

    file_pattern: str
    delimiter: str = ","
    encoding: str = "utf-8"
    quote_char: str = '"'
    header: bool = True
    format: Format = "delimited"
    skip_lines: int = 0
    header_record: Mark | None = None
    trailer_record: Mark | None = None
    sheet: str | int = 1
    header_row: int = 1
    records: str = ""
    member: str | None = None
    manifest: ManifestTerms | None = None
    nothing: str | None = None


@dataclass(frozen=True)
class Extent:
    """What a delivery of the feed is of the whole: single events, a snapshot of everything, or a delta of changes.

    `closes`: what a snapshot no longer holds has ended, within the values of the `scope` columns of the common schema
    that it speaks of; a snapshot that would close more than `max_closed_share` of a table is held. In a delta a row
    whose `change_column` has one of `delete_codes` deletes its key (any value, with `delete_filled`), and one that has
    a code of `rekey_codes` says that the key was another before: `former_key` are pairs of a key column and the column
    with its former value.
    """

    kind: Literal["events", "snapshot", "delta"] = "events"
    closes: bool = False
    scope: tuple[str, ...] = ()
    max_closed_share: float = 0.1
    change_column: str | None = None
    delete_codes: tuple[str, ...] = ()
    rekey_codes: tuple[str, ...] = ()
    former_key: tuple[tuple[str, str], ...] = ()
    delete_filled: bool = False


@dataclass(frozen=True)
class Feed:
    """One recurring extract of one partner, as its contract declares it."""

    id: str
    version: str
    title: str
    path: Path
    columns: tuple[Column, ...]
    dialect: Dialect
    max_bad_row_share: float
    schedule: str | None
    date_orders: tuple[tuple[str, str], ...] = ()
    references: tuple[Reference, ...] = ()
    row_count: tuple[int, int] | None = None
    drift_share: float = 0.5
    shrink_below: float = 0.5
    extent: Extent = Extent()
    spells: tuple[Spells, ...] = ()
    consistencies: tuple[Consistency, ...] = ()
    code_pairs: tuple[CodePairs, ...] = ()

    @property
    def partner(self) -> str:
        """The partner's code: the part of the id before the slash."""
        return self.id.split("/")[0]

    @property
    def slug(self) -> str:
        """The feed's name in tables, DAG ids and task ids: `medicaid__eligibility_v1`."""
        return self.id.replace("/", "__")

    @property
    def folder(self) -> Path:
        """The folder of the contract, its transform and its codes."""
        return self.path.parent

    @property
    def key(self) -> tuple[str, ...]:
        """The contract names of the key columns, in key order."""
        keyed = [(c.key_position, c.name) for c in self.columns if c.key_position is not None]
        return tuple(name for _, name in sorted(keyed))

    @property
    def siblings(self) -> tuple[str, ...]:
        """The other feeds that this one refers to, sorted: its files wait for theirs."""
        return tuple(sorted({r.feed for r in self.references} - {self.id}))

    @property
    def former_reference(self) -> Reference | None:
        """Where a former key must be known: in this very feed. None for feeds whose keys do not change."""
        former = dict(self.extent.former_key)
        return Reference(self.id, tuple(former.get(k, k) for k in self.key), self.key) if former else None

    def column(self, name: str) -> Column:
        """The column of that contract name. Raises `KeyError`."""
        found = next((c for c in self.columns if c.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def authorised(self, allowed: Iterable[str]) -> tuple[Column, ...]:
        """The columns that an agreement allows, in file order."""
        names = set(allowed)
        return tuple(c for c in self.columns if c.name in names)


def bound(text: str, as_of: date) -> str:
    """A range bound as ISO text: `asOf` becomes the delivery's as-of date."""
    return as_of.isoformat() if text == "asOf" else text
