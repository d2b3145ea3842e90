"""The gate at publish: which tables of the mart may be published today, from which feeds, and with whom they agree.

Tables whose figures hang together are counted over one population: what is barred or withheld from the use case of one
of them is left out of all. Were they counted apart, the difference between them would tell of those left out (decision
0013). Pure: reads the headers of the SQL below `include/sql/mart` and the day's gates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kinbridge.consent.gates import Gates
from kinbridge.integration.population import Population

_OUTPUTS = re.compile(r"^-- outputs: (.+)$", re.MULTILINE)
NOBODY = "no use case names this table (include/use_cases)"
# Table, use case, feed, whether it is counted, by which clause, and the elements that are not counted of it.
OutputFeed = tuple[str, str, str, bool, str, list[str]]


@dataclass(frozen=True)
class Group:
    """Tables that are counted together, by the files that count them.

    `use_cases` are those of the tables that are open; `closed` has the clause for each that is not; `feeds` the clause
    for each feed that is counted, `barred` for each that is left out. `without` are feeds with the elements that are
    not counted of them.
    """

    outputs: tuple[str, ...]
    files: tuple[Path, ...]
    feeds: dict[str, str] = field(default_factory=dict)
    use_cases: dict[str, str] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    barred: dict[str, str] = field(default_factory=dict)
    without: frozenset[tuple[str, str]] = frozenset()

    @property
    def population(self) -> Population:
        """Whose records are counted."""
        use_cases = tuple(sorted(set(self.use_cases.values())))
        return Population(frozenset(self.feeds), use_cases, without=self.without)

    def rows(self, gates: Gates) -> Iterator[OutputFeed]:
        """What `mart.output_feed` says."""
        for output in self.outputs:
            served = gates.of_output(output)
            use_case = served.use_case if served else ""
            for feed, clause in sorted({**self.barred, **self.feeds}.items()):
                without = sorted(element for of, element in self.without if of == feed)
                if output in self.closed:
                    yield output, use_case, feed, False, self.closed[output], []
                elif feed in self.feeds and served:
                    yield output, use_case, feed, True, served.permitted[feed], without
                else:
                    yield output, use_case, feed, False, clause, []


def counting_files(files: Iterable[Path]) -> Iterator[tuple[tuple[str, ...], tuple[Path, ...]]]:
    """The files in their order, those together that count the same tables; no table for files that count none."""
    tables: tuple[str, ...] = ()
    run: list[Path] = []
    for file in files:
        found = _OUTPUTS.search(file.read_text(encoding="utf-8"))
        named = tuple(name.strip() for name in found.group(1).split(",")) if found else ()
        if run and named != tables:
            yield tables, tuple(run)
            run = []
        tables = named
        run.append(file)
    if run:
        yield tables, tuple(run)


def group_of(outputs: tuple[str, ...], files: tuple[Path, ...], gates: Gates) -> Group:
    """The gate for tables that are counted together."""
    closed: dict[str, str] = {}
    open_tables: dict[str, dict[str, str]] = {}
    for output in outputs:
        served = gates.of_output(output)
        if served is None or served.refused is not None:
            closed[output] = NOBODY if served is None else str(served.refused)
            continue
        if output in served.uncovered:
            closed[output] = served.uncovered[output]
            continue
        unlinked = {feed: gates.unlinked.get(feed, {}) for feed in served.permitted}
        feeds = {
            feed: clause
            for feed, clause in served.permitted.items()
            if feed in gates.linkable and served.use_case not in unlinked[feed]
        }
        if feeds:
            open_tables[output] = feeds
        else:
            reasons = {**gates.unlinkable, **served.barred, **_clauses(unlinked, served.use_case)}
            closed[output] = next(iter(reasons.values()), "no feed is declared")
    feeds, barred = _meet(open_tables, gates)
    if open_tables and not feeds:
        closed |= {output: next(iter(barred.values())) for output in open_tables}
        open_tables = {}
    use_cases = {output: served.use_case for output in open_tables if (served := gates.of_output(output))}
    return Group(outputs, files, feeds, use_cases, closed, barred, gates.without_of(feeds))


def _meet(open_tables: dict[str, dict[str, str]], gates: Gates) -> tuple[dict[str, str], dict[str, str]]:
    """The feeds that every open table may count, and the others, each with the clause."""
    every = set(gates.linkable) | set(gates.unlinkable)
    barred = dict(gates.unlinkable)
    for output, counted in open_tables.items():
        served = gates.of_output(output)
        every |= set(served.permitted) | set(served.barred) if served else set()
        for feed in every:
            if served and feed not in counted:
                limits = _clauses(gates.unlinked, served.use_case)
                barred.setdefault(feed, {**limits, **gates.unlinkable, **served.barred}.get(feed, served.use_case))
    common = set.intersection(*(set(feeds) for feeds in open_tables.values())) if open_tables else set()
    # A feed whose people must not be linked with another's would count them twice beside it: the other is counted.
    for (feed, other), clause in sorted(gates.apart.items()):
        if {feed, other} <= common:
            common.remove(feed)
            barred.setdefault(feed, clause)
    feeds = {feed: clause for table in open_tables.values() for feed, clause in table.items() if feed in common}
    return dict(sorted(feeds.items())), {feed: clause for feed, clause in sorted(barred.items()) if feed not in common}


def _clauses(unlinked: Mapping[str, Mapping[str, str]], use_case: str) -> dict[str, str]:
    """The feeds that may not be linked for the use case, each with the clause."""
    return {feed: limits[use_case] for feed, limits in unlinked.items() if use_case in limits}
