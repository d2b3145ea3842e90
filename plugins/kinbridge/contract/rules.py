"""From a feed's contract to its rules. The one place that decides which rules a contract implies, and their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kinbridge.contract.model import DEFAULT_SEVERITY, FAULT_KINDS, Column, Feed, Kind, Rule


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
    for coded in feed.code_pairs:
        if {coded.when, coded.column} <= names:
            severity = feed.column(coded.column).severity_of(Kind.CODE_SET)
            both = (coded.when, coded.column)
            yield Rule(f"{'__'.join(both)}.{Kind.CODE_SET}", Kind.CODE_SET, severity, both, pairs=coded.pairs)
    for reference in feed.references:
        # What rows of the same file are held against has to be read as well.
        if names.issuperset({*reference.columns, *(reference.their_columns if reference.feed == feed.id else ())}):
            yield Rule(
                f"{'__'.join(reference.columns)}.reference",
                Kind.REFERENCE,
                "critical",
                reference.columns,
                reference=reference,
            )
    yield from _cross_row_rules(feed, names)


def _cross_row_rules(feed: Feed, names: set[str]) -> Iterator[Rule]:
    """Rules about what several rows come to together."""
    for spells in feed.spells:
        columns = (*spells.subject, *spells.within, spells.begins, spells.ends)
        if names.issuperset(columns):
            yield Rule(f"{spells.begins}__{spells.ends}.{Kind.OVERLAP}", Kind.OVERLAP, spells.severity, columns)
    for same in feed.consistencies:
        for column in same.columns:
            if names.issuperset({*same.by, column}):
                columns = (*same.by, column)
                yield Rule(f"{'__'.join(columns)}.{Kind.CONSISTENT}", Kind.CONSISTENT, same.severity, columns)
    former = feed.former_reference
    if former and names.issuperset({*former.columns, *feed.key, feed.extent.change_column or ""}):
        columns = tuple(name for _, name in feed.extent.former_key)
        yield Rule(f"{'__'.join(columns)}.{Kind.FORMER_KEY}", Kind.FORMER_KEY, "warning", columns, reference=former)


def fault_rules(feed: Feed, columns: Iterable[Column]) -> tuple[Rule, ...]:
    """The rules whose breach staging notes line by line, because no condition over one row of the rows can tell it."""
    return tuple(rule for rule in rules(feed, columns) if rule.kind in FAULT_KINDS or _in_its_own_file(feed, rule))


def _in_its_own_file(feed: Feed, rule: Rule) -> bool:
    """Whether a row of the same file may be what the rule's reference looks for."""
    return rule.reference is not None and rule.reference.feed == feed.id


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
    if column.no_names:
        yield rule(Kind.PERSONAL_NAME, values=column.listed_names)


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
