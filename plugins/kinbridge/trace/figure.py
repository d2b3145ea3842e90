"""From a published figure to the persons who are counted, and to the lines of partners' files that say so.

The figure is counted once more from the records as they were known when it was published (`recount`); only if all that
the table shows comes out the same, the lines behind it are told. As kb_linkage: it may see counts that are withheld
from the table, and names. A trace names files, lines and counts, and no person.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.integration.relations import ALL_REFERRALS, ANY_COUNTY, ANY_PROGRAM, JOINER
from kinbridge.integration.session import making
from kinbridge.trace.authority import FIGURE, note, records_and_identities
from kinbridge.trace.recount import DESCRIBED, REFERRED, SERVED, Published, published, recount, since, unlike
from kinbridge.warehouse.connection import Dsn, transaction

UNITS = ("children", "families")


@dataclass(frozen=True)
class Wanted:
    """Which figure. `programs` is a program, a combination joined by " + ", or "any program"; `unit` children or
    families; `characteristic` and `value` for children by characteristic; for referrals they are the outcome and the
    county."""

    table: str
    programs: str
    month: date | None = None
    unit: str = "children"
    characteristic: str | None = None
    value: str | None = None
    exactly: bool = False

    @property
    def in_words(self) -> str:
        """As messages name it."""
        month = f"{self.month:%Y-%m}" if self.month else None
        programs = f"exactly {self.programs}" if self.exactly else self.programs
        return ", ".join(filter(None, (month, programs, self.unit, self.characteristic, self.value)))

    @property
    def grouping(self) -> str:
        """Whether a combination, a program or any program is meant."""
        if self.programs == ANY_PROGRAM:
            return "total"
        return "combination" if self.exactly or JOINER in self.programs else "program"


@dataclass(frozen=True)
class Lines:
    """Lines of one file that are behind a figure, and in which table of the record they stand."""

    delivery_id: int
    feed: str
    file_name: str
    sha256: str
    table: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class FigureTrace:
    """A figure as published (None: withheld) and as counted again; persons behind it, and the lines about them."""

    table: str
    what: str
    published_at: datetime
    shown: int | None
    counted: int
    persons: int
    sources: tuple[Lines, ...]

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def trace_figure(dsn: Dsn, wanted: Wanted, by: str) -> FigureTrace:
    """Trace one figure. `dsn` is kb_linkage's way in.

    Raises `KinbridgeError`: KB-T30 another role; KB-T31 there is no such figure, or nothing is published; KB-T32 it
    does not come out as it was published.
    """
    with transaction(dsn) as connection:
        records_and_identities(connection, dsn.user)
        with connection.cursor() as cursor:
            then = published(cursor)
        note(connection, by, FIGURE, {"table": wanted.table, "figure": wanted.in_words})
    if then is None or wanted.table not in (SERVED, DESCRIBED, REFERRED) or wanted.unit not in UNITS:
        raise KinbridgeError("KB-T31", table=f"mart.{wanted.table}", what=wanted.in_words)
    with making(dsn, then.parameters) as cursor:
        shown = _shown(cursor, wanted)
        recount(cursor, wanted.table, then)
        counted = _counted(cursor, wanted)
        _persons(cursor, wanted)
        cursor.execute("SELECT count(*), coalesce(sum(counts), 0) FROM pg_temp.behind")
        persons, units = cursor.fetchone()
        whole = wanted.unit == "families" or units == counted
        if unlike(cursor, wanted.table) or (shown is not None and shown != counted) or not whole:
            raise _not_reproduced(cursor, wanted, then)
        sources = _sources(cursor, wanted, then)
    return FigureTrace(
        table=f"mart.{wanted.table}",
        what=wanted.in_words,
        published_at=then.at,
        shown=shown,
        counted=counted,
        persons=persons,
        sources=sources,
    )


def _not_reproduced(cursor: Any, wanted: Wanted, then: Published) -> KinbridgeError:
    return KinbridgeError(
        "KB-T32",
        table=f"mart.{wanted.table}",
        what=wanted.in_words,
        published=f"{then.at:%Y-%m-%d %H:%M} UTC",
        why=since(cursor, then),
    )


def _shown(cursor: Any, wanted: Wanted) -> int | None:
    """The published number, None where it is withheld; KB-T31 where there is none."""
    if wanted.table == SERVED:
        cursor.execute(
            f"SELECT {wanted.unit} FROM mart.children_served WHERE month = %s AND grouping = %s AND programs = %s",
            (wanted.month, wanted.grouping, wanted.programs),
        )
    elif wanted.table == DESCRIBED:
        cursor.execute(
            "SELECT children FROM mart.children_by_characteristic "
            "WHERE month = %s AND program = %s AND characteristic = %s AND value = %s",
            (wanted.month, wanted.programs, wanted.characteristic, wanted.value),
        )
    else:
        outcome = wanted.characteristic or ALL_REFERRALS
        column = outcome if outcome in OUTCOMES else ALL_REFERRALS
        cursor.execute(
            f"SELECT {column} FROM mart.referral_outcomes WHERE program = %s AND county = %s",
            (wanted.programs, wanted.value or ANY_COUNTY),
        )
    row = cursor.fetchone()
    if row is None or (wanted.table == REFERRED and (wanted.characteristic or ALL_REFERRALS) not in OUTCOMES):
        raise KinbridgeError("KB-T31", table=f"mart.{wanted.table}", what=wanted.in_words)
    return None if row[0] is None else int(row[0])


OUTCOMES = (ALL_REFERRALS, "became_service", "no_service", "already_served", "not_observable")


def _counted(cursor: Any, wanted: Wanted) -> int:
    if wanted.table == REFERRED:
        cursor.execute(
            "SELECT coalesce(sum(n), 0) FROM figure WHERE unit = 'referrals' AND programs = %s AND characteristic = %s "
            "AND value = %s",
            (wanted.programs, wanted.characteristic or ALL_REFERRALS, wanted.value or ANY_COUNTY),
        )
    else:
        cursor.execute(
            "SELECT coalesce(sum(n), 0) FROM figure WHERE unit = %s AND month = %s AND grouping = %s AND programs = %s "
            "AND characteristic IS NOT DISTINCT FROM %s AND value IS NOT DISTINCT FROM %s",
            (wanted.unit, wanted.month, wanted.grouping, wanted.programs, wanted.characteristic, wanted.value),
        )
    return int(cursor.fetchone()[0])


# Grain of `behind`: one row per person counted; `counts` is how often (a person may be referred more than once), and
# `programs` what of the person is counted.
_BEHIND_CHILDREN = """
CREATE TEMP TABLE behind ON COMMIT DROP AS
SELECT
    served_child.person_id,
    CASE WHEN %(grouping)s = 'program' THEN ARRAY[%(programs)s] ELSE served_child.combination END AS programs,
    1 AS counts
FROM served_child
INNER JOIN person ON person.person_id = served_child.person_id
WHERE served_child.month = %(month)s
    AND CASE %(grouping)s
        WHEN 'total' THEN TRUE
        WHEN 'program' THEN %(programs)s = ANY(served_child.combination)
        ELSE array_to_string(served_child.combination, ' + ') = %(programs)s
    END
    AND CASE %(characteristic)s
        WHEN 'age_group' THEN served_child.age_group = %(value)s
        WHEN 'race_ethnicity' THEN coalesce(person.race_ethnicity, 'unknown') = %(value)s
        WHEN 'language' THEN coalesce(person.language, 'unknown') = %(value)s
        WHEN 'county' THEN coalesce(person.county_fips, 'unknown') = %(value)s
        ELSE TRUE
    END
"""
_BEHIND_FAMILIES = """
CREATE TEMP TABLE behind ON COMMIT DROP AS
SELECT DISTINCT ON (served_child.person_id)
    served_child.person_id,
    CASE WHEN %(grouping)s = 'program' THEN ARRAY[%(programs)s] ELSE served_child.combination END AS programs,
    1 AS counts
FROM served_child
INNER JOIN family ON family.person_id = served_child.person_id
INNER JOIN (
    SELECT family.family_id, array_agg(DISTINCT program.name ORDER BY program.name) AS combination
    FROM served_child
    INNER JOIN family ON family.person_id = served_child.person_id
    CROSS JOIN LATERAL unnest(served_child.combination) AS program (name)
    WHERE served_child.month = %(month)s
    GROUP BY family.family_id
) AS served_family ON served_family.family_id = family.family_id
WHERE served_child.month = %(month)s
    AND CASE %(grouping)s
        WHEN 'total' THEN TRUE
        WHEN 'program' THEN %(programs)s = ANY(served_family.combination)
        ELSE array_to_string(served_family.combination, ' + ') = %(programs)s
    END
"""
_BEHIND_REFERRALS = """
CREATE TEMP TABLE behind ON COMMIT DROP AS
SELECT referral.person_id, array_agg(DISTINCT referral.referred_to_program) AS programs, count(*) AS counts
FROM referral
WHERE (%(programs)s = 'any program' OR referral.referred_to_program = %(programs)s)
    AND (%(outcome)s = 'referrals' OR referral.outcome = %(outcome)s)
    AND (%(county)s = 'any county' OR coalesce(referral.county_fips, 'unknown') = %(county)s)
GROUP BY referral.person_id
"""


def _persons(cursor: Any, wanted: Wanted) -> None:
    parameters = {
        "month": wanted.month,
        "grouping": wanted.grouping,
        "programs": wanted.programs,
        "characteristic": wanted.characteristic,
        "value": wanted.value,
        "outcome": wanted.characteristic or ALL_REFERRALS,
        "county": wanted.value or ANY_COUNTY,
    }
    statement = _BEHIND_CHILDREN if wanted.unit == "children" else _BEHIND_FAMILIES
    cursor.execute(_BEHIND_REFERRALS if wanted.table == REFERRED else statement, parameters)
    cursor.execute("ANALYZE pg_temp.behind")


# Grain: one row per file and table of the record, with the lines that are about persons behind the figure, as known
# then.
_SOURCES = """
WITH link AS (
    SELECT behind.person_id, behind.programs, link.partner, link.source_person_id
    FROM behind
    INNER JOIN identity.person_link AS link ON link.person_id = behind.person_id
),

line AS (
    SELECT 'person' AS name, row.delivery_id, row.line_no, row.feed, row.known_to
    FROM pg_temp.record_person AS row
    INNER JOIN link USING (partner, source_person_id)
    UNION ALL
    SELECT 'person_address', row.delivery_id, row.line_no, row.feed, row.known_to
    FROM pg_temp.record_person_address AS row
    INNER JOIN link USING (partner, source_person_id)
    WHERE %(county)s
    UNION ALL
    SELECT 'program_enrollment', row.delivery_id, row.line_no, row.feed, row.known_to
    FROM pg_temp.record_program_enrollment AS row
    INNER JOIN link USING (partner, source_person_id)
    WHERE row.program = ANY(link.programs)
        AND (%(month)s::date IS NULL OR (
            row.entry_date < %(month)s::date + INTERVAL '1 month'
            AND coalesce(row.exit_date, 'infinity') >= %(month)s::date
        ))
    UNION ALL
    SELECT 'early_intervention', row.delivery_id, row.line_no, row.feed, row.known_to
    FROM pg_temp.record_early_intervention AS row
    INNER JOIN link USING (partner, source_person_id)
    WHERE 'early_intervention' = ANY(link.programs)
        AND (%(month)s::date IS NULL OR (
            row.service_start_date < %(month)s::date + INTERVAL '1 month'
            AND coalesce(row.exit_date, 'infinity') >= %(month)s::date
        ))
    UNION ALL
    SELECT 'referral', row.delivery_id, row.line_no, row.feed, row.known_to
    FROM pg_temp.record_referral AS row
    INNER JOIN link USING (partner, source_person_id)
    WHERE %(referrals)s AND row.referred_to_program = ANY(link.programs)
)

SELECT
    delivery.delivery_id,
    delivery.feed,
    delivery.file_name,
    delivery.sha256,
    line.name,
    array_agg(DISTINCT line.line_no ORDER BY line.line_no)
FROM line
INNER JOIN ledger.delivery ON delivery.delivery_id = line.delivery_id
WHERE line.known_to IS NULL AND line.feed IN (SELECT permitted_feed.feed FROM permitted_feed)
GROUP BY
    delivery.delivery_id,
    line.name
ORDER BY
    delivery.feed,
    delivery.delivery_id,
    line.name
"""


def _sources(cursor: Any, wanted: Wanted, then: Published) -> tuple[Lines, ...]:
    county = wanted.characteristic == "county" or wanted.table == REFERRED
    cursor.execute(_SOURCES, {"county": county, "month": wanted.month, "referrals": wanted.table == REFERRED})
    found = tuple(
        Lines(number, feed, name, sha256, table, tuple(lines))
        for number, feed, name, sha256, table, lines in cursor.fetchall()
    )
    if not found:
        cursor.execute("SELECT count(*) FROM pg_temp.behind")
        if cursor.fetchone()[0]:
            raise _not_reproduced(cursor, wanted, then)
    return found


__all__ = ["OUTCOMES", "UNITS", "FigureTrace", "Lines", "Wanted", "trace_figure"]
