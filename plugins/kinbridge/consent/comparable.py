"""The gate at link, pair by pair: which two records may be compared, by agreements and by what people consented to.

Temporary tables of the caller's transaction. A partner's person is compared with all that the partner's feeds say of
it, so two of them may be compared only where some use case is served by every feed that speaks of either, both may be
linked for it, consent withholds neither from it, and no agreement keeps their feeds apart. Who may be compared with
whom depends on the record's kind alone: by whom and for what it may be used. There are few of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extras import execute_values

from kinbridge.agreement.comparable import partner_of
from kinbridge.consent.gates import Gates
from kinbridge.linkage.known_as import KNOWN_AS
from kinbridge.linkage.purpose import SCHEMA, Allowed
from kinbridge.warehouse.arrow import copy_out


@dataclass(frozen=True)
class Kind:
    """Records of one partner that are of the same feeds and may be used alike.

    `uses` has, for each feed whose values are compared, the use cases that are open to these records; `others` are
    feeds that speak of them otherwise.
    """

    partner: str
    uses: tuple[tuple[str, tuple[str, ...]], ...]
    others: tuple[str, ...] = ()

    @property
    def feeds(self) -> tuple[str, ...]:
        """All feeds that speak of these records."""
        return (*(feed for feed, _ in self.uses), *self.others)

    @property
    def purposes(self) -> frozenset[str]:
        """The use cases that everything which is compared may serve."""
        return frozenset.intersection(*(frozenset(names) for _, names in self.uses)) if self.uses else frozenset()


def comparable(one: Kind, other: Kind, gates: Gates) -> bool:
    """Whether records of these kinds may be compared."""
    if any(gates.barred(feed, met) for feed in one.feeds for met in other.feeds):
        return False
    return one.partner == other.partner or bool(one.purposes & other.purposes)


def kinds_allowed(kinds: Iterable[Kind], gates: Gates) -> frozenset[tuple[int, int]]:
    """The pairs of positions of kinds that may be compared, in both orders."""
    numbered = list(enumerate(kinds))
    return frozenset((at, to) for at, one in numbered for to, other in numbered if comparable(one, other, gates))


def kind_of_all(gates: Gates, partner: str) -> Kind:
    """The kind of a record of which all of the partner's linkable feeds speak: no record may be used for less."""
    feeds = sorted(feed for feed in gates.linkable if partner_of(feed) == partner)
    return Kind(partner, tuple((feed, tuple(sorted(gates.linked_for(feed)))) for feed in feeds))


def usual_kinds(gates: Gates) -> dict[str, Kind]:
    """By partner, the kind of its records where all its feeds may be used alike and none is kept apart."""
    kinds = (kind_of_all(gates, partner) for partner in sorted({partner_of(feed) for feed in gates.linkable}))
    kept_apart = {feed for pair in gates.apart for feed in pair}
    return {
        kind.partner: kind
        for kind in kinds
        if len({names for _, names in kind.uses}) == 1 and not kept_apart & set(kind.feeds)
    }


def note_comparable(cursor: Any, gates: Gates) -> Allowed | None:
    """Who may be compared with whom; None where everybody may be with everybody.

    Needs `linkable.note_linkable` before it, to whose `withheld_row` it adds persons that were linked before and whose
    records may not be compared any more for want of consent: their links stay as they are, so that what was said of one
    record still reaches the others. Returns kinds for the records that are not of their partner's usual one.
    """
    usual = usual_kinds(gates)
    cursor.execute("SELECT EXISTS (SELECT FROM withheld_purpose)")
    (withheld,) = cursor.fetchone()
    partners = {partner_of(feed) for feed in gates.linkable}
    numbers = {kind: number for number, kind in enumerate(usual.values())}
    every = len(numbers) ** 2 == len(kinds_allowed(numbers, gates))
    if not withheld and every and set(usual) == partners:
        return None
    _note_kinds(cursor, gates, sorted(partners - set(usual)))
    cursor.execute("SELECT DISTINCT partner, uses, others FROM record_kind ORDER BY 1, 2, 3")
    found = [(row, _kind(*row)) for row in cursor.fetchall()]
    for _, kind in found:
        numbers.setdefault(kind, len(numbers))
    allowed = kinds_allowed(numbers, gates)
    cursor.execute(
        "CREATE TEMP TABLE kind_number (partner text, uses text[], others text[], purpose bigint) ON COMMIT DROP"
    )
    if found:
        rows = [(*row, numbers[kind]) for row, kind in found]
        execute_values(cursor, "INSERT INTO kind_number VALUES %s", rows, template="(%s, %s::text[], %s::text[], %s)")
    _keep_links(cursor, gates, numbers, {partner: numbers[kind] for partner, kind in usual.items()}, allowed)
    return Allowed(
        {partner: numbers[kind] for partner, kind in usual.items()}, copy_out(cursor, _RECORDS, SCHEMA), allowed
    )


def _kind(partner: str, uses: Iterable[str], others: Iterable[str]) -> Kind:
    told = tuple(use.split("=") for use in uses)
    return Kind(partner, tuple((feed, tuple(filter(None, names.split("|")))) for feed, names in told), tuple(others))


def _note_kinds(cursor: Any, gates: Gates, special: list[str]) -> None:
    """Make `record_kind (partner, source_person_id, uses, others)` of the records that are not of their partner's usual
    kind: those of `special` partners, and those that consent withholds from something."""
    apart = sorted({feed for pair in gates.apart for feed in pair} & gates.linkable)
    cursor.execute(
        """
        SELECT r.table_name
        FROM information_schema.columns AS r
        WHERE r.table_schema = 'record' AND r.column_name IN ('source_person_id', 'feed', 'known_to', 'partner')
        GROUP BY r.table_name
        HAVING count(*) = 4
        ORDER BY 1
        """
    )
    spoken = sql.SQL(" UNION ").join(
        sql.SQL(
            "SELECT partner, source_person_id, feed FROM record.{} WHERE known_to IS NULL AND feed = ANY(%(apart)s)"
        ).format(sql.Identifier(table))
        for (table,) in cursor.fetchall()
    )
    query = sql.SQL(_RECORD_KIND.replace("{known_as}", KNOWN_AS).replace("{", "{{").replace("}", "}}"))
    text = query.format().as_string(cursor).replace("SPOKEN", spoken.as_string(cursor))
    cursor.execute(text, {"special": special, "apart": apart})


# Grain: one row per partner and source person. Sources: record.person, person_address, family_member (what is
# compared), linked_for, withheld_purpose, withheld_row; any table of record for feeds that are kept apart from
# others.
_RECORD_KIND = """
CREATE TEMP TABLE record_kind ON COMMIT DROP AS
WITH RECURSIVE {known_as},
wanted AS (
    SELECT DISTINCT partner, source_person_id
    FROM withheld_purpose
),
compared AS (
    SELECT partner, source_person_id, feed FROM record.person WHERE known_to IS NULL
    UNION
    SELECT partner, source_person_id, feed FROM record.person_address WHERE known_to IS NULL
    UNION
    SELECT partner, source_person_id, feed FROM record.family_member WHERE known_to IS NULL
),
used AS (
    SELECT
        compared.partner,
        coalesce(known_as.became, compared.source_person_id) AS source_person_id,
        compared.feed || '=' || coalesce(
            string_agg(linked_for.use_case, '|' ORDER BY linked_for.use_case) FILTER (WHERE withheld.feed IS NULL), ''
        ) AS uses
    FROM compared
    INNER JOIN linked_for USING (feed)
    LEFT JOIN known_as USING (partner, source_person_id)
    LEFT JOIN withheld_purpose AS withheld USING (partner, source_person_id, feed, use_case)
    WHERE (compared.partner = ANY(%(special)s) OR (compared.partner, compared.source_person_id) IN (TABLE wanted))
        AND NOT EXISTS (
            SELECT
            FROM withheld_row AS gone
            WHERE gone.partner = compared.partner
                AND gone.source_person_id = compared.source_person_id
                AND gone.feed = compared.feed
        )
    GROUP BY 1, 2, compared.source_person_id, compared.feed
),
spoken AS (
    SELECT
        spoken.partner,
        coalesce(known_as.became, spoken.source_person_id) AS source_person_id,
        array_agg(DISTINCT spoken.feed ORDER BY spoken.feed) AS others
    FROM (SPOKEN) AS spoken
    LEFT JOIN known_as USING (partner, source_person_id)
    GROUP BY 1, 2
)
SELECT
    used.partner,
    used.source_person_id,
    array_agg(DISTINCT used.uses ORDER BY used.uses) AS uses,
    coalesce(any_value(spoken.others), '{}') AS others
FROM used
LEFT JOIN spoken USING (partner, source_person_id)
GROUP BY 1, 2
"""


def _keep_links(
    cursor: Any,
    gates: Gates,
    numbers: Mapping[Kind, int],
    usual: Mapping[str, int],
    allowed: frozenset[tuple[int, int]],
) -> None:
    """Leave persons as they are whose records were linked, and may not be compared now for want of consent alone."""
    open_to_all = {
        kind: Kind(kind.partner, tuple((feed, tuple(gates.linked_for(feed))) for feed, _ in kind.uses), kind.others)
        for kind in numbers
    }
    for_consent = [
        (numbers[one], numbers[other])
        for one, other in itertools.permutations(numbers, 2)
        if (numbers[one], numbers[other]) not in allowed and comparable(open_to_all[one], open_to_all[other], gates)
    ]
    if not for_consent:
        return
    cursor.execute("CREATE TEMP TABLE usual_kind (partner text, purpose bigint) ON COMMIT DROP")
    execute_values(cursor, "INSERT INTO usual_kind VALUES %s", [*usual.items(), ("", -1)])
    cursor.execute("CREATE TEMP TABLE parted_kind (l bigint, r bigint) ON COMMIT DROP")
    execute_values(cursor, "INSERT INTO parted_kind VALUES %s", for_consent)
    cursor.execute(_KEEP)


# Grain: one row per source person of such a person, and feed of its partner.
_KEEP = """
WITH member AS (
    SELECT
        link.person_id,
        link.partner,
        link.source_person_id,
        coalesce(kind_number.purpose, usual_kind.purpose) AS purpose,
        kind_number.purpose IS NOT NULL AS special
    FROM identity.person_link AS link
    LEFT JOIN record_kind USING (partner, source_person_id)
    LEFT JOIN kind_number
        ON kind_number.partner = record_kind.partner
        AND kind_number.uses = record_kind.uses
        AND kind_number.others = record_kind.others
    LEFT JOIN usual_kind ON usual_kind.partner = link.partner
),
kept AS (
    SELECT DISTINCT one.person_id
    FROM member AS one
    INNER JOIN member AS other USING (person_id)
    INNER JOIN parted_kind ON parted_kind.l = one.purpose AND parted_kind.r = other.purpose
    WHERE one.special
)
INSERT INTO withheld_row (partner, source_person_id, feed)
SELECT member.partner, member.source_person_id, linkable_feed.feed
FROM kept
INNER JOIN member USING (person_id)
INNER JOIN linkable_feed ON split_part(linkable_feed.feed, '/', 1) = member.partner
"""


_RECORDS = """
SELECT partner AS source, source_person_id, purpose
FROM record_kind
INNER JOIN kind_number USING (partner, uses, others)
"""
