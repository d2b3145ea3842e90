"""Codes that stand for persons in a release: random, kept in `release.member`, derived from nothing (45 CFR
164.514(c)).

Beside them, by which ids partners know these persons as they are linked today, and what of them was withheld already:
what accounting and recalls go by later, whatever linkage does. Works in the building transaction, as kb_linkage.
"""

from __future__ import annotations

from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.release.model import Codes, Extract


def give_codes(cursor: Any, release_id: int, extract: Extract) -> None:
    """A random code for each person: of this release alone, or of the recipient's use case where that is declared."""
    code = "gen_random_uuid()"
    if extract.codes is Codes.STABLE:
        cursor.execute(
            """
            INSERT INTO release.recipient_code (recipient, use_case, person_id, code)
            SELECT %s, %s, member.person_id, gen_random_uuid()
            FROM (SELECT DISTINCT extract_row.person_id FROM pg_temp.extract_row) AS member
            ON CONFLICT DO NOTHING
            """,
            (extract.recipient, extract.use_case),
        )
        code = "(SELECT kept.code FROM release.recipient_code AS kept WHERE kept.recipient = %(recipient)s "
        code += "AND kept.use_case = %(use_case)s AND kept.person_id = member.person_id)"
    parameters = {"release": release_id, "recipient": extract.recipient, "use_case": extract.use_case}
    cursor.execute(
        f"""
        INSERT INTO release.member (release_id, person_id, code)
        SELECT %(release)s, member.person_id, {code}
        FROM (SELECT DISTINCT extract_row.person_id FROM pg_temp.extract_row) AS member
        """,
        parameters,
    )
    # By which ids partners know them, as linked today, of the partners whose feeds are in it.
    cursor.execute(
        """
        INSERT INTO release.member_source (release_id, person_id, partner, source_person_id)
        SELECT member.release_id, member.person_id, link.partner, link.source_person_id
        FROM release.member
        INNER JOIN identity.person_link AS link ON link.person_id = member.person_id
        WHERE member.release_id = %s AND link.partner = ANY(%s)
        """,
        (release_id, sorted({feed.split("/", 1)[0] for feed in extract.feeds})),
    )
    cursor.execute(
        """
        SELECT count(*)
        FROM release.member
        WHERE
            member.release_id = %s
            AND NOT EXISTS (
                SELECT 1
                FROM release.member_source AS source
                WHERE source.release_id = member.release_id AND source.person_id = member.person_id
            )
        """,
        (release_id,),
    )
    (unknown,) = cursor.fetchone()
    if unknown:
        # Links were made anew and `integrated` not yet: whom the rows are about could not be told later.
        raise KinbridgeError("KB-T25", release=release_id, persons=unknown)
    cursor.execute(
        """
        INSERT INTO release.withheld_before (release_id, person_id, program)
        SELECT DISTINCT member.release_id, member.person_id, withheld.program
        FROM release.member
        INNER JOIN pg_temp.withheld_program AS withheld ON withheld.person_id = member.person_id
        WHERE member.release_id = %s
        """,
        (release_id,),
    )
