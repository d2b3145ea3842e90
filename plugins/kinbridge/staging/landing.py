"""The SQL of a delivery's landing tables. Pure text from declarations; nothing here runs it.

A delivery has, in schema `landing`: the table of its rows as text (`…__d12`), the keys that stand in it more than once
(`…__d12_crowd`), the lines that exactly repeat an earlier row (`…__d12_repeat`), the other rows trimmed and typed
(`…__d12_rows`), where the contract has rules over several rows the lines at fault by them (`…__d12_fault`), and over
these the typed view (`…__d12_typed`), which Great Expectations, the findings and the transform all read. Trimming and
typing costs more than a second copy of the rows, so it is done once.
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
    reference_name,
    typed_expression,
    typed_name,
)
from kinbridge.staging.faults import faults


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
        """The table of trimmed and typed rows, qualified and quoted."""
        return f"landing.{ident(self.name + '_rows')}"

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
        tables = ", ".join([self.fault, self.rows, self.repeat, self.crowd, self.table])
        return f"DROP VIEW IF EXISTS {self.view}; DROP TABLE IF EXISTS {tables}"

    def create(self) -> str:
        """Makes the landing table: unlogged, since a lost one is staged again from the landed file."""
        columns = "".join(f", {ident(c.name)} text" for c in self.columns)
        return f"CREATE UNLOGGED TABLE {self.table} (line_no bigint NOT NULL, row_shape text NOT NULL{columns})"

    def copy(self) -> str:
        """The COPY that takes what a reader's `chunks` give; an empty field is NULL, a quoted empty one too."""
        names = ["line_no", "row_shape", *(ident(c.name) for c in self.columns)]
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
        """Tells the planner how many keys and dates there are: without it, it sorts where it should hash."""
        dates = [ident(c.name) for c in self._dates()]
        return f"ANALYZE {self.table} ({', '.join(dict.fromkeys(['line_no', *self._keys(), *dates]))})"

    def create_rows(self, blank: Collection[str]) -> str:
        """Makes the table of trimmed text with a typed twin for each column that is not text, without the repeats.

        Only the columns named in `blank` are trimmed: in the others the reader saw no value with blanks around it, and
        COPY made empty ones NULL. A file has few different dates, so each is read once and then looked up.
        """
        trimmed = self._trimmed(blank)
        inner = ", ".join(["line_no", "row_shape", *(f"{text} AS {ident(name)}" for name, text in trimmed.items())])
        outer = ", ".join(["t.line_no", "t.row_shape", *self._typed()])
        read = "".join(
            f" LEFT JOIN (SELECT text, {typed_expression(c, 'text')} AS typed "
            f"FROM (SELECT DISTINCT {trimmed[c.name]} AS text FROM {self.table}) AS d) AS {ident(typed_name(c))} "
            f"ON {ident(typed_name(c))}.text = t.{ident(c.name)}"
            for c in self._dates()
        )
        # OFFSET 0 keeps the planner from trimming a value anew wherever its typed twin mentions it, but also from
        # joining with several processes; where nothing is trimmed it would only cost.
        once = " OFFSET 0" if blank else ""
        return (
            f"CREATE UNLOGGED TABLE {self.rows} AS SELECT {outer} FROM "
            f"(SELECT {inner} FROM {self.table}{once}) AS t{read} "
            f"WHERE NOT EXISTS (SELECT FROM {self.repeat} AS r WHERE r.line_no = t.line_no); "
            f"ANALYZE {self.rows} ({', '.join(['line_no', *self._keys()])})"
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
        outer = ", ".join(["t.line_no", "t.row_shape", *shown, *self._references(), *self._faults()])
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

    def _dates(self) -> list[Column]:
        return [c for c in self.columns if c.logical_type == "date"]

    def _typed(self) -> Iterable[str]:
        for column in self.columns:
            text = f"t.{ident(column.name)}"
            twin = ident(typed_name(column))
            yield text
            if column.logical_type == "date":
                yield f"{twin}.typed AS {twin}"
            elif column.logical_type != "string":
                yield f"{typed_expression(column, text)} AS {twin}"

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
