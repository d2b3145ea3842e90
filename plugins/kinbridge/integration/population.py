"""The gates at build and publish: whose records count. One population after the other, in the maker's transaction.

A population is a set of feeds and the use cases that it serves. Its rows are those that `integrated` would hold if the
records of other feeds, and those of persons and programs that are withheld, had never come. Where that is what
`integrated` holds, its rows are taken; else the same SQL makes them anew in temporary tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.consent.gates import Gates
from kinbridge.consent.rules import write_rules
from kinbridge.integration.parameters import sql_files
from kinbridge.integration.session import run_files

TABLES = ("person", "family", "participation", "referral", "service_event")
# Where the SQL of `integrated` writes: its tables, and the families that children were last in.
_WRITTEN = re.compile(r"\b(?:integrated|identity(?=\.family_child\b))\.")


@dataclass(frozen=True)
class Population:
    """Records of these feeds, for these use cases. A person or program is left out that is withheld from any of them;
    with `whole`, only what is withheld from every one. `without` are pairs of a feed and an element that its
    agreement does not give: its values count as never sent."""

    feeds: frozenset[str]
    use_cases: tuple[str, ...]
    whole: bool = False
    without: frozenset[tuple[str, str]] = frozenset()


def whole_population(gates: Gates) -> Population:
    """That of `integrated`: whatever may be linked and serves any use case."""
    use_cases = tuple(name for name, one in gates.served.items() if one.permitted)
    return Population(gates.linkable, use_cases, whole=True, without=gates.without_of(gates.linkable))


def note_withheld(cursor: Any, gates: Gates) -> dict[str, dict[str, int]]:
    """Make `withheld_use (use_case, person_id, program, clause)` of all use cases that are served, as of now.

    Returns how many persons are withheld by use case and clause.
    """
    write_rules(cursor, gates)
    cursor.execute(
        """
        CREATE TEMP TABLE withheld_use ON COMMIT DROP AS
        SELECT served.use_case, withheld.person_id, withheld.program, withheld.clause
        FROM UNNEST(%s::text[]) AS served (use_case)
        CROSS JOIN LATERAL identity.withheld_person(served.use_case, %s, statement_timestamp()) AS withheld
        """,
        (sorted(name for name, one in gates.served.items() if one.permitted), gates.day),
    )
    cursor.execute("ANALYZE withheld_use")
    cursor.execute("SELECT use_case, clause, count(DISTINCT person_id) FROM withheld_use GROUP BY 1, 2 ORDER BY 1, 2")
    counts: dict[str, dict[str, int]] = {}
    for use_case, clause, persons in cursor.fetchall():
        counts.setdefault(use_case, {})[clause] = persons
    return counts


def choose(cursor: Any, population: Population) -> None:
    """Note whose records are usable from here on: the temporary tables that `00_usable.sql` reads."""
    cursor.execute("DROP TABLE IF EXISTS permitted_feed, withheld_person, withheld_program, withheld_feed CASCADE")
    cursor.execute("CREATE TEMP TABLE permitted_feed (feed text PRIMARY KEY, without text[] NOT NULL) ON COMMIT DROP")
    for feed in sorted(population.feeds):
        without = sorted(element for of, element in population.without if of == feed)
        cursor.execute("INSERT INTO permitted_feed VALUES (%s, %s::text[])", (feed, without))
    uses = sorted(population.use_cases)
    given = {"uses": uses, "least": len(uses) if population.whole else 1}
    for statement in _WITHHELD:
        cursor.execute(statement, given)


# A person is withheld altogether when enough of the use cases say so; a program of a person when enough of them
# withhold this program or the whole person; a feed when all programs are withheld of which it speaks.
_WITHHELD = (
    """
    CREATE TEMP TABLE withheld_person ON COMMIT DROP AS
    SELECT person_id
    FROM withheld_use
    WHERE program IS NULL AND use_case = ANY(%(uses)s::text[])
    GROUP BY person_id
    HAVING count(*) >= %(least)s
    """,
    """
    CREATE TEMP TABLE withheld_program ON COMMIT DROP AS
    SELECT named.person_id, named.program
    FROM (
        SELECT DISTINCT person_id, program
        FROM withheld_use
        WHERE program IS NOT NULL AND use_case = ANY(%(uses)s::text[])
    ) AS named
    INNER JOIN withheld_use AS said
        ON said.person_id = named.person_id
        AND (said.program IS NULL OR said.program = named.program)
        AND said.use_case = ANY(%(uses)s::text[])
    WHERE NOT EXISTS (SELECT FROM withheld_person WHERE withheld_person.person_id = named.person_id)
    GROUP BY named.person_id, named.program
    HAVING count(DISTINCT said.use_case) >= %(least)s
    """,
    """
    CREATE TEMP TABLE withheld_feed ON COMMIT DROP AS
    SELECT person.person_id, speaks.feed
    FROM (SELECT DISTINCT person_id FROM withheld_program) AS person
    CROSS JOIN (SELECT DISTINCT feed, program FROM identity.consent_rule) AS speaks
    LEFT JOIN withheld_program
        ON withheld_program.person_id = person.person_id AND withheld_program.program = speaks.program
    GROUP BY person.person_id, speaks.feed
    HAVING bool_and(withheld_program.person_id IS NOT NULL)
    """,
    "ANALYZE withheld_person",
    "ANALYZE withheld_program",
    "ANALYZE withheld_feed",
)


def note_integrated(cursor: Any) -> None:
    """Keep under which gates `integrated` is built, for `make_rows` to compare."""
    cursor.execute("DELETE FROM identity.integrated_feed")
    cursor.execute("INSERT INTO identity.integrated_feed (feed, without) SELECT feed, without FROM permitted_feed")
    cursor.execute("DELETE FROM identity.integrated_withheld")
    cursor.execute(
        """
        INSERT INTO identity.integrated_withheld (person_id, program)
        SELECT person_id, NULL FROM withheld_person
        UNION ALL
        SELECT person_id, program FROM withheld_program
        """
    )


def make_rows(cursor: Any, population: Population) -> bool:
    """Make the population's `person`, `family`, `participation`, `referral` and `service_event`, temporary.

    Whether they had to be built; else they are views of `integrated`, which holds the same.
    """
    choose(cursor, population)
    for table in TABLES:
        # Either kind, left by the population before.
        for kind in ("VIEW", "TABLE"):
            cursor.execute(
                f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('pg_temp.{table}') "
                f"AND relkind = '{kind[0].lower().replace('t', 'r')}') THEN DROP {kind} pg_temp.{table}; END IF; END $$"
            )
    cursor.execute(_SAME)
    if cursor.fetchone()[0]:
        for table in TABLES:
            cursor.execute(f"CREATE TEMP VIEW {table} AS TABLE integrated.{table}")
        return False
    for table in TABLES:
        cursor.execute(f"CREATE TEMP TABLE {table} (LIKE integrated.{table}) ON COMMIT DROP")
    cursor.execute("DROP TABLE IF EXISTS pg_temp.family_child")
    cursor.execute("CREATE TEMP TABLE family_child (LIKE identity.family_child) ON COMMIT DROP")
    _run_into_temporary(cursor, sql_files("integrated"))
    return True


def _run_into_temporary(cursor: Any, files: Iterable[Path]) -> None:
    run_files(cursor, files, lambda text: _WRITTEN.sub("pg_temp.", text))


# Whether `integrated` was built of the very feeds, and without the very persons and programs.
_SAME = """
SELECT
    NOT EXISTS (SELECT feed, without FROM permitted_feed EXCEPT SELECT feed, without FROM identity.integrated_feed)
    AND NOT EXISTS (SELECT feed, without FROM identity.integrated_feed EXCEPT SELECT feed, without FROM permitted_feed)
    AND NOT EXISTS (
        (SELECT person_id, NULL::text FROM withheld_person UNION ALL SELECT person_id, program FROM withheld_program)
        EXCEPT
        SELECT person_id, program FROM identity.integrated_withheld
    )
    AND NOT EXISTS (
        SELECT person_id, program FROM identity.integrated_withheld
        EXCEPT
        (SELECT person_id, NULL::text FROM withheld_person UNION ALL SELECT person_id, program FROM withheld_program)
    )
"""
