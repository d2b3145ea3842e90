"""Builds a release: who may be in it, what of them, under which codes; encrypted, and kept until it is delivered.

One transaction as kb_linkage, on one snapshot. It begins with the gate and ends with the ledger: members, what is
disclosed of them, and the sealed files are written together, before anything leaves. Done again it changes nothing.
What is not sealed lives in temporary tables and in memory; it is never logged and never a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json, execute_values

from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.rules import write_rules
from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.errors import KinbridgeError
from kinbridge.integration.parameters import read_parameters
from kinbridge.integration.population import Population, make_rows, note_withheld
from kinbridge.integration.session import making
from kinbridge.ledger.events import record_event
from kinbridge.release.check import statement_of
from kinbridge.release.codes import give_codes
from kinbridge.release.consent import consent_of, stricter
from kinbridge.release.documents import Figures, Part, codebook_csv, codebook_html, manifest_json, stem
from kinbridge.release.elements import integrated_elements
from kinbridge.release.forms import expression
from kinbridge.release.gate import Clearance, clear
from kinbridge.release.groups import Kept, audit_groups, withhold_small_groups
from kinbridge.release.model import Extract, Grain
from kinbridge.release.register import Release, locked
from kinbridge.release.requests import KIND, subject_of
from kinbridge.release.rows import feeds_behind, period_of, rows_csv
from kinbridge.release.seal import seal, signs
from kinbridge.release.states import OUT, ReleaseState
from kinbridge.warehouse.connection import Dsn

ACTOR = "release.build"
_INTEGRATED = re.compile(r"\bintegrated\.")


@dataclass(frozen=True)
class Built:
    """A release that is ready to be delivered: how many persons and rows, how many withheld for small groups."""

    release_id: int
    persons: int
    rows: int
    withheld: int


def build_release(dsn: Dsn, release_id: int, day: date) -> Built:
    """Build an approved release; one that was built before is left as it is. `dsn` is kb_linkage's way in.

    Raises `KinbridgeError`: what the gate raises; KB-T12 the SELECT gives what it must not; KB-T13 nobody is left;
    KB-T15 the audit; KB-T17 the release is not approved; KB-T18 the declaration is another than the approved one;
    KB-T19 too big.
    """
    with making(dsn, read_parameters()) as cursor:
        connection = cursor.connection
        release = locked(connection, release_id)
        if release.state in (ReleaseState.BUILT, *OUT):
            return _as_built(release)
        clearance = cleared(release, day, read_approvals(connection, day=day))
        kept, excluded = _select(cursor, clearance, read_gates(connection, day))
        give_codes(cursor, release_id, clearance.extract)
        parts = _parts(cursor, clearance, release_id, kept, day)
        _write(cursor, release_id, clearance, kept, excluded, parts)
        facts = {
            "release": release_id,
            "persons": kept.persons,
            "rows": kept.rows,
            "minimum_group": clearance.minimum_group,
        }
        record_event(connection, None, ACTOR, "release built", facts)
    return Built(release_id, kept.persons, kept.rows, kept.withheld)


def cleared(release: Release, day: date, approvals: Approvals) -> Clearance:
    """The gate's yes for an approved release, whose declaration is still the one that was approved."""
    if release.state not in (ReleaseState.APPROVED, ReleaseState.BUILT):
        raise KinbridgeError("KB-T17", release=release.release_id, name=release.name, state=release.state.value)
    clearance = clear(release.name, day, approvals)
    if clearance.extract.digest != release.digest:
        raise KinbridgeError("KB-T18", release=release.release_id, name=release.name, path=clearance.extract.path)
    subject = subject_of(release.name, release.release_id)
    found = approvals.standing(KIND, subject, release.version, release.digest, day=day)
    if found != "approved":
        raise KinbridgeError("KB-T17", release=release.release_id, name=release.name, state=found)
    return clearance


def _as_built(release: Release) -> Built:
    return Built(release.release_id, release.persons or 0, release.rows or 0, release.withheld_persons or 0)


def _select(cursor: Any, clearance: Clearance, gates: Gates) -> tuple[Kept, int]:
    """Fill `extract_row` with what may go; who is kept, and how many persons consent withholds."""
    extract = clearance.extract
    needed = consent_of(clearance.rule)
    strict = stricter(gates, extract.use_case, extract.feeds, needed)
    note_withheld(cursor, strict)
    # The rows that `integrated` would hold, had no other feed and no withheld person or program ever come.
    feeds = frozenset(extract.feeds)
    make_rows(cursor, Population(feeds, (extract.use_case,), without=gates.without_of(feeds)))
    if strict != gates:
        write_rules(cursor, gates)
    excluded = _excluded(cursor, extract)
    cursor.execute("CREATE TEMP TABLE extract_raw ON COMMIT DROP AS " + over_population(statement_of(extract).sql))
    _one_row_each(cursor, extract)
    known = integrated_elements()
    shown = [
        sql.SQL("{} AS {}").format(
            expression(
                sql.SQL("extract_raw.{}").format(sql.Identifier(column.name)),
                known[column.elements[0]].kind,
                column.form,
                clearance.oldest,
            ),
            sql.Identifier(column.name),
        )
        for column in extract.columns
    ]
    cursor.execute(
        sql.SQL(
            "CREATE TEMP TABLE extract_row ON COMMIT DROP AS SELECT extract_raw.person_id, {} FROM pg_temp.extract_raw"
        ).format(sql.SQL(", ").join(shown))
    )
    _without_withheld(cursor)
    kept = withhold_small_groups(cursor, extract.quasi_identifiers, clearance.minimum_group)
    if not kept.persons:
        raise KinbridgeError(
            "KB-T13", name=extract.name, minimum=clearance.minimum_group, clause=clearance.minimum_clause
        )
    audit_groups(cursor, extract.name, extract.quasi_identifiers, clearance.minimum_group)
    return kept, excluded


def over_population(text: str) -> str:
    """The SELECT over the temporary tables of the release's population instead of `integrated`."""
    return _INTEGRATED.sub("pg_temp.", text)


def _without_withheld(cursor: Any) -> None:
    """Once more, whatever the population holds: nobody who is withheld is in the file."""
    cursor.execute(
        "DELETE FROM pg_temp.extract_row USING pg_temp.withheld_person "
        "WHERE withheld_person.person_id = extract_row.person_id"
    )


def _excluded(cursor: Any, extract: Extract) -> int:
    """How many persons of whom the feeds speak are withheld altogether."""
    cursor.execute(
        """
        SELECT count(DISTINCT withheld_person.person_id)
        FROM pg_temp.withheld_person
        INNER JOIN identity.person_link AS link ON link.person_id = withheld_person.person_id
        INNER JOIN record.person AS said
            ON said.partner = link.partner
            AND said.source_person_id = link.source_person_id
        WHERE
            said.known_to IS NULL
            AND said.feed = ANY(%s)
        """,
        (list(extract.feeds),),
    )
    return int(cursor.fetchone()[0])


def _one_row_each(cursor: Any, extract: Extract) -> None:
    cursor.execute(
        "SELECT count(*), count(person_id), count(DISTINCT person_id), count(DISTINCT person_id) FILTER ("
        "WHERE NOT EXISTS (SELECT 1 FROM identity.person WHERE person.person_id = extract_raw.person_id)"
        ") FROM pg_temp.extract_raw"
    )
    rows, with_person, persons, strangers = cursor.fetchone()
    if rows > with_person or strangers:
        raise KinbridgeError("KB-T12", name=extract.name, path=extract.sql_path, problem="gives rows about no person")
    if extract.grain is Grain.PERSON and rows > persons:
        raise KinbridgeError(
            "KB-T12", name=extract.name, path=extract.sql_path, problem="gives more than one row for a person"
        )


def _parts(cursor: Any, clearance: Clearance, release_id: int, kept: Kept, day: date) -> list[Part]:
    """The files, sealed: data and codebook first, the manifest that lists them last."""
    name = stem(clearance, release_id)
    figures = Figures(kept, *period_of(cursor, clearance.extract))

    def part(ending: str, content: bytes) -> Part:
        return Part(f"{name}{ending}", content, seal(content, clearance.keys, clearance.recipient.code))

    parts = [
        part(".csv", rows_csv(cursor, clearance.extract, release_id)),
        part(".codebook.csv", codebook_csv(clearance)),
        part(".codebook.html", codebook_html(clearance, figures)),
    ]
    return [*parts, part(".manifest.json", manifest_json(clearance, release_id, figures, parts, day))]


def _write(  # noqa: PLR0917 - all that is to be written
    cursor: Any, release_id: int, clearance: Clearance, kept: Kept, excluded: int, parts: list[Part]
) -> None:
    agreement = clearance.permit.agreement
    execute_values(
        cursor,
        "INSERT INTO release.package (release_id, position, file_name, sha256, content) VALUES %s",
        [(release_id, number, part.sealed_name, part.sha256, part.sealed) for number, part in enumerate(parts)],
    )
    execute_values(
        cursor,
        "INSERT INTO ledger.disclosure (release_id, column_name, element, feed, form, agreement_id, agreement_version, "
        "clause) VALUES %s",
        [
            (release_id, one.column, one.element, one.feed, one.form, agreement.id, agreement.version, str(one.clause))
            for one in clearance.disclosed
        ],
    )
    data = parts[0]
    cursor.execute(
        """
        UPDATE ledger.release
        SET
            state = 'built',
            built_at = clock_timestamp(),
            minimum_group = %(minimum)s,
            persons = %(persons)s,
            rows = %(rows)s,
            withheld_persons = %(withheld)s,
            excluded_persons = %(excluded)s,
            sha256 = %(sha256)s,
            size_bytes = %(size)s,
            expires_on = %(expires)s,
            sources = %(sources)s
        WHERE release_id = %(release)s
        """,
        {
            "release": release_id,
            "minimum": clearance.minimum_group,
            "persons": kept.persons,
            "rows": kept.rows,
            "withheld": kept.withheld,
            "excluded": excluded,
            "sha256": data.sha256,
            "size": len(data.sealed),
            "expires": clearance.expires,
            "sources": Json(
                {
                    "feeds": feeds_behind(cursor, clearance.extract.feeds),
                    "files": [
                        {"name": part.sealed_name, "size_bytes": len(part.sealed), "sha256": part.sha256}
                        for part in parts
                    ],
                    "signed": signs(),
                    "consent": consent_of(clearance.rule).plain(),
                }
            ),
        },
    )
