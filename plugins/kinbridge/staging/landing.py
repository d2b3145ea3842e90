"""The SQL of a delivery's landing tables. Pure text from declarations; nothing here runs it.

A delivery has, in schema `landing`, behind its name (`…__d12`):

- the table of its rows as text, with a typed twin of what is not text (nothing behind the name);
- `_crowd`: the keys that stand in it more than once;
- `_repeat`: the lines that exactly repeat an earlier row;
- `_row`: the view of the other rows, trimmed. To trim a few columns at every look costs less than a second copy of the
  rows; where there are more of them, there is one, `_trimmed`;
- `_fault`: the lines at fault by rules over several rows, where the contract has such;
- `_typed`: the view over these that Great Expectations, the findings and the transform all read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kinbridge.contract.model import FAULT_KINDS, Column, Feed, Kind, Reference, Rule
from kinbridge.contract.rules import fault_rules, rules
from kinbridge.contract.sql import (
    WHITE_SPACE,
    fault_name,
    ident,
    literal,
    read_name,
    reference_name,
    sql_type,
    typed_name,
)
from kinbridge.format.twin import twins
from kinbridge.staging.faults import faults

# Each of five or six looks at the rows trims so many columns anew before a copy of the rows is worth it.
MOST_TRIMMED_TWICE = 3


@dataclass(frozen=True)
class Landing:
    """The landing tables of one delivery of a feed, for the columns that its agreement allows."""

    feed: Feed
    columns: tuple[Column, ...]
    delivery_id: int

    @property
    def name(self) -> str:
        """The bare name of the landing table."""
        return f"{self.feed.slug}__d{self.delivery_id}"

    @property
    def table(self) -> str:
        """The landing table, qualified and quoted."""
        return f"landing.{ident(self.name)}"

    @property
    def crowd(self) -> str:
        """The table of keys that occur more than once, qualified and quoted."""
        return f"landing.{ident(self.name + '_crowd')}"

    @property
    def repeat(self) -> str:
        """The table of repeated lines, qualified and quoted."""
        return f"landing.{ident(self.name + '_repeat')}"

    @property
    def rows(self) -> str:
        """The view of trimmed and typed rows without the repeats, qualified and quoted."""
        return f"landing.{ident(self.name + '_row')}"

    @property
    def trimmed(self) -> str:
        """The table of trimmed rows, where there is one, qualified and quoted."""
        return f"landing.{ident(self.name + '_trimmed')}"

    @property
    def fault(self) -> str:
        """The table of lines at fault by rules over several rows, qualified and quoted."""
        return f"landing.{ident(self.name + '_fault')}"

    @property
    def fault_rules(self) -> tuple[Rule, ...]:
        """The rules whose breach the table of faults notes; where there are none, there is no such table."""
        return fault_rules(self.feed, self.columns)

    @property
    def view_name(self) -> str:
        """The bare name of the typed view."""
        return f"{self.name}_typed"

    @property
    def view(self) -> str:
        """The typed view, qualified and quoted."""
        return f"landing.{ident(self.view_name)}"

    def drop(self) -> str:
        """Drops all of them, if they are there."""
        tables = ", ".join([self.fault, self.trimmed, self.repeat, self.crowd, self.table])
        return f"DROP VIEW IF EXISTS {self.view}, {self.rows}; DROP TABLE IF EXISTS {tables}"

    def create(self) -> str:
        """Makes the landing table: unlogged, since a lost one is staged again from the landed file."""
        columns = "".join(f", {ident(c.name)} text" for c in self.columns)
        columns += "".join(f", {ident(typed_name(c))} {sql_type(c)}" for c in self._twins())
        return f"CREATE UNLOGGED TABLE {self.table} (line_no bigint NOT NULL, row_shape text NOT NULL{columns})"

    def copy(self) -> str:
        """The COPY that takes what a reader's `chunks` give; an empty field is NULL, a quoted empty one too."""
        names = ["line_no", "row_shape", *(ident(c.name) for c in self.columns)]
        names += [ident(typed_name(c)) for c in self._twins()]
        forced = ", ".join(ident(c.name) for c in self.columns)
        return f"COPY {self.table} ({', '.join(names)}) FROM STDIN WITH (FORMAT csv, FORCE_NULL ({forced}))"

    def create_repeat(self, blank: Collection[str]) -> str:
        """Makes the table of keys that occur more than once, and that of lines that exactly repeat an earlier row.

        Keys are compared trimmed, as rules see them; lines as they were sent, in every authorised column. Only whole
        rows are compared: of a broken one not all is known. And only rows whose key occurs more than once, or is not
        whole, are, so a clean file costs one hash aggregate; whether a key is unique is then known as well.
        """
        every = ", ".join(ident(c.name) for c in self.columns)
        number = f"row_number() OVER (PARTITION BY {every} ORDER BY line_no) AS occurrence"
        where, crowd = "row_shape = 'whole'", f"CREATE UNLOGGED TABLE {self.crowd} (); "
        if self._keys():
            trimmed = self._trimmed(blank)
            keys = [trimmed[name] for name in self._key_names()]
            named = ", ".join(f"{key} AS {ident(name)}" for key, name in zip(keys, self._key_names(), strict=True))
            crowd = (
                f"CREATE UNLOGGED TABLE {self.crowd} AS SELECT {named} FROM {self.table} "
                f"GROUP BY {', '.join(keys)} HAVING count(*) > 1; ANALYZE {self.crowd}; "
            )
            broken = " OR ".join(f"{key} IS NULL" for key in keys)
            where += f" AND ({broken} OR ({', '.join(keys)}) IN (SELECT {', '.join(self._keys())} FROM {self.crowd}))"
        return (
            f"{crowd}CREATE UNLOGGED TABLE {self.repeat} AS SELECT line_no FROM "
            f"(SELECT line_no, {number} FROM {self.table} WHERE {where}) AS numbered WHERE occurrence > 1"
        )

    def analyze(self) -> str:
        """Tells the planner how many keys there are: without it, it sorts where it should hash."""
        return f"ANALYZE {self.table} ({', '.join(['line_no', *self._keys()])})"

    def create_rows(self, blank: Collection[str], repeats: int) -> str:
        """Makes the view of trimmed text and typed twins, without the repeats.

        Only the columns named in `blank` are trimmed: in the others the reader saw no value with blanks around it, and
        COPY made empty ones NULL. Where many are, their trimmed text is kept in a table.
        """
        names = [ident(typed_name(c)) for c in self._twins()]
        trimmed = [f"{text} AS {ident(name)}" for name, text in self._trimmed(blank).items()]
        without = f" WHERE NOT EXISTS (SELECT FROM {self.repeat} AS r WHERE r.line_no = t.line_no)" if repeats else ""
        query = f"SELECT {', '.join(['line_no', 'row_shape', *trimmed, *names])} FROM {self.table} AS t{without}"
        if len(blank) <= MOST_TRIMMED_TWICE:
            return f"CREATE VIEW {self.rows} WITH (security_invoker = true) AS {query}"
        return (
            f"CREATE UNLOGGED TABLE {self.trimmed} AS {query}; "
            f"ANALYZE {self.trimmed} ({', '.join(['line_no', *self._keys()])}); "
            f"CREATE VIEW {self.rows} WITH (security_invoker = true) AS SELECT * FROM {self.trimmed}"
        )

    def create_fault(self) -> str | None:
        """Makes the table of lines at fault; None where the contract has no rule over several rows."""
        if not self.fault_rules:
            return None
        query = faults(self.feed, self.columns, self.fault_rules, self.rows)
        return f"CREATE UNLOGGED TABLE {self.fault} AS {query}; ANALYZE {self.fault}"

    def create_view(self) -> str:
        """Makes the typed view: the rows, which are at fault, and whether what they refer to is known by now."""
        names = [name for c in self.columns for name in dict.fromkeys((c.name, typed_name(c)))]
        shown = [f"t.{ident(name)}" for name in names]
        outer = ", ".join(["t.line_no", "t.row_shape", *shown, *self._readable(), *self._references(), *self._faults()])
        faults = f" LEFT JOIN {self.fault} AS f ON f.line_no = t.line_no" if self.fault_rules else ""
        return f"CREATE VIEW {self.view} WITH (security_invoker = true) AS SELECT {outer} FROM {self.rows} AS t{faults}"

    def _trimmed(self, blank: Collection[str]) -> dict[str, str]:
        return {
            c.name: f"NULLIF(btrim({ident(c.name)}, {WHITE_SPACE}), '')" if c.name in blank else ident(c.name)
            for c in self.columns
        }

    def _key_names(self) -> list[str]:
        names = {c.name for c in self.columns}
        return [k for k in self.feed.key if k in names]

    def _keys(self) -> list[str]:
        return [ident(k) for k in self._key_names()]

    def _twins(self) -> list[Column]:
        """The columns that have a typed twin, in the order in which readers give these."""
        return [self.columns[place] for place, _ in twins(self.columns)]

    def _readable(self) -> Iterable[str]:
        """Whether what is there could be read: for Great Expectations, which would look at the rows anew for each
        condition on other columns."""
        for column in self._twins():
            text, typed = (f"t.{ident(name)}" for name in (column.name, typed_name(column)))
            yield (
                f"CASE WHEN {text} IS NULL OR {typed} IS NOT NULL THEN 'read' ELSE 'unread' END "
                f"AS {ident(read_name(column))}"
            )

    def _references(self) -> Iterable[str]:
        for rule in rules(self.feed, self.columns):
            if rule.kind is Kind.REFERENCE and rule.reference:
                null = " OR ".join(f"t.{ident(c)} IS NULL" for c in rule.reference.columns)
                here = f" OR NOT {_at_fault(rule)}" if rule in self.fault_rules else ""
                yield (
                    f"CASE WHEN {null}{here} OR {_delivered(rule.reference)} THEN 'known' ELSE 'unknown' END "
                    f"AS {ident(reference_name(rule.reference))}"
                )

    def _faults(self) -> Iterable[str]:
        for rule in self.fault_rules:
            if rule.kind in FAULT_KINDS:
                before = f" AND {_delivered(rule.reference)} IS NOT TRUE" if rule.reference else ""
                yield f"CASE WHEN {_at_fault(rule)}{before} THEN 'fault' ELSE 'sound' END AS {ident(fault_name(rule))}"


def _at_fault(rule: Rule) -> str:
    return f"coalesce({literal(rule.id)} = ANY(f.rules), false)"


def _delivered(reference: Reference) -> str:
    """SQL that is true where a delivery has brought the key that a row refers to; NULL where none has."""
    ours = ", ".join(f"t.{ident(c)}" for c in reference.columns)
    return (
        "(SELECT true FROM record.reference_key AS k "
        f"WHERE k.feed = {literal(reference.feed)} "
        f"AND k.column_names = {literal(','.join(reference.their_columns))} "
        f"AND k.key_values = ARRAY[{ours}])"
    )
