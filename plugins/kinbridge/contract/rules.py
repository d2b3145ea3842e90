"""From a feed's contract to its rules. The one place that decides which rules a contract implies, and their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kinbridge.contract.model import DEFAULT_SEVERITY, Column, Feed, Kind, Rule


def rules(feed: Feed, columns: Iterable[Column]) -> tuple[Rule, ...]:
    """All rules of the feed over the given (authorised) columns, in file order, file rules last.

    A rule over several columns applies only when all of them are authorised: what is not read cannot be judged.
    """
    chosen = tuple(columns)
    return (*_row_rules(feed, chosen), *_file_rules(feed))


def _row_rules(feed: Feed, columns: tuple[Column, ...]) -> Iterator[Rule]:
    names = {c.name for c in columns}
    yield Rule("row.shape", Kind.SHAPE, "critical")
    for column in columns:
        yield from _column_rules(column)
    if feed.key and names.issuperset(feed.key):
        yield Rule(f"{'__'.join(feed.key)}.unique", Kind.UNIQUE, "critical", feed.key)
    for earlier, later in feed.date_orders:
        if {earlier, later} <= names:
            yield Rule(f"{earlier}__{later}.date_order", Kind.DATE_ORDER, "critical", (earlier, later))
    for reference in feed.references:
        if names.issuperset(reference.columns):
            yield Rule(
                f"{'__'.join(reference.columns)}.reference",
                Kind.REFERENCE,
                "critical",
                reference.columns,
                reference=reference,
            )


def _column_rules(column: Column) -> Iterator[Rule]:
    def rule(kind: Kind, **given: object) -> Rule:
        return Rule(f"{column.name}.{kind}", kind, column.severity_of(kind), (column.name,), **given)  # type: ignore[arg-type]

    if column.required:
        yield rule(Kind.PRESENCE)
    if column.logical_type != "string":
        yield rule(Kind.TYPE)
    if column.pattern is not None:
        yield rule(Kind.FORMAT, pattern=column.pattern)
    if column.code_set is not None:
        yield rule(Kind.CODE_SET, values=column.codes)
    if column.placeholders:
        yield rule(Kind.PLACEHOLDER, values=column.placeholders)
    if column.minimum is not None or column.maximum is not None:
        yield rule(Kind.RANGE, minimum=column.minimum, maximum=column.maximum)


def _file_rules(feed: Feed) -> Iterator[Rule]:
    if feed.row_count is not None:
        low, high = feed.row_count
        yield Rule("file.row_count", Kind.ROW_COUNT, "critical", minimum=str(low), maximum=str(high))
    kinds = (Kind.HEADER, Kind.NEW_COLUMN, Kind.MISSING_COLUMN, Kind.READABLE, Kind.BAD_SHARE, Kind.DRIFT, Kind.SHRUNK)
    for kind in kinds:
        yield Rule(f"file.{kind}", kind, DEFAULT_SEVERITY[kind])
    if feed.dialect.manifest is not None:
        yield Rule("file.manifest_rows", Kind.MANIFEST_ROWS, "critical")
    if feed.extent.closes:
        yield Rule("file.closed_share", Kind.CLOSED_SHARE, "critical", maximum=str(feed.extent.max_closed_share))
