"""A look at a pair: the two records side by side, for a reviewer. Each look is in the ledger before a value is read.

The look is written down and committed first; then a function of the database shows the two records to that look, and to
no other. Nothing is shown of feeds that may not be linked today. Values are for the screen: they stand in no log, no
error and no representation of these objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kinbridge.consent.comparable import comparable, kind_of_all
from kinbridge.consent.gates import Gates
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.decision import Pair, pair_of
from kinbridge.linkage.scoring import bits
from kinbridge.review.desk import Desk, stewards_only
from kinbridge.review.evidence import Comparison, Group, comparisons_of, grouped
from kinbridge.review.queue import State, Waiting, waiting
from kinbridge.review.words import words_of
from kinbridge.warehouse.connection import transaction

# Why a pair is looked at that is not before this reviewer.
ELSEWHERE = "decided"


@dataclass(frozen=True)
class Case:
    """What linkage knows of a pair, in numbers. All weights are in bits; `link` and `review` are the thresholds."""

    pair_id: int
    pair: Pair = field(repr=False)
    comparisons: tuple[Comparison, ...]
    weight: float
    apart: str | None
    link: float
    review: float
    model: str

    @property
    def prior(self) -> float:
        """What the pair weighs before anything is compared: how likely two records of these partners are one person."""
        return round(self.weight - sum(one.bits for one in self.comparisons), 2)

    def seen(self, look_id: int) -> dict[str, Any]:
        """What a reviewer was shown, in numbers and names of comparisons: kept beside the decision."""
        return {
            "look": look_id,
            "pair": self.pair_id,
            "model": self.model,
            "weight": round(self.weight, 3),
            "thresholds": {"link": round(self.link, 3), "review": round(self.review, 3)},
            "apart": self.apart,
            "comparisons": [one.as_plain() for one in self.comparisons],
        }


@dataclass(frozen=True)
class Side:
    """What hangs on one side: who else is held for that person, by partner, and the programs of the newest month."""

    partner: str
    others: Mapping[str, int]
    programs: tuple[str, ...]


class Opinion(NamedTuple):
    """A reviewer's decision that stands."""

    reviewer: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Look:
    """A pair as a reviewer sees it.

    `waits` is None for a pair that is not before this reviewer. `opinions` are those of a pair in dispute or decided:
    who gives a second one is not told the first.
    """

    look_id: int
    case: Case
    waits: Waiting | None
    groups: tuple[Group, ...] = field(repr=False)
    left: Side
    right: Side
    opinions: tuple[Opinion, ...] = ()


def look_at(desk: Desk, pair_id: int) -> Look:
    """Write the look down, and show the pair.

    Raises `KinbridgeError`: KB-K62 a role that may not look, KB-K63 no such pair, KB-K64 a pair that may not be seen
    today.
    """
    with transaction(desk.dsn) as connection, connection.cursor() as cursor:
        stewards_only(connection, desk.dsn)
        case = case_of(connection, desk, pair_id)
        refused = KinbridgeError("KB-K64", pair=pair_id, partners=" and ".join(_partners(case.pair)))
        if not set(_partners(case.pair)) <= desk.partners or not _may_be_compared(cursor, desk.gates, case.pair):
            raise refused
        before = waiting(connection, desk, pair_id=pair_id)
        waits = before[0] if before else None
        why = waits.state.value if waits else ELSEWHERE
        cursor.execute("SELECT identity.note_look(%s, %s, %s)", (pair_id, why, desk.reviewer.id))
        look_id = int(cursor.fetchone()[0])
        told = waits is None or waits.state is State.DISAGREED
        opinions = _opinions(cursor, case.pair) if told else ()
    with transaction(desk.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT record_left, record_right, beside_left, beside_right FROM identity.show_look(%s, %s, %s)",
            (look_id, sorted(desk.gates.linkable), desk.gates.day),
        )
        shown = cursor.fetchone()
    if shown is None:
        raise refused
    left, right, beside_left, beside_right = shown
    return Look(
        look_id=look_id,
        case=case,
        waits=waits,
        groups=grouped(case.comparisons, left, right),
        left=_side(case.pair.left.partner, beside_left),
        right=_side(case.pair.right.partner, beside_right),
        opinions=opinions,
    )


def case_of(connection: Any, desk: Desk, pair_id: int) -> Case:
    """What linkage knows of the pair; no value, so no look. Raises KB-K63 when there is no such pair."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                partner_left,
                source_person_id_left,
                partner_right,
                source_person_id_right,
                weight,
                apart,
                levels,
                weights,
                training_id
            FROM identity.review_pair
            WHERE pair_id = %s
            """,
            (pair_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise KinbridgeError("KB-K63", pair=pair_id)
    partner_left, id_left, partner_right, id_right, weight, apart, levels, weights, training_id = row
    words = words_of(connection, training_id, desk.model)
    return Case(
        pair_id=pair_id,
        pair=pair_of((partner_left, id_left), (partner_right, id_right)),
        comparisons=comparisons_of(words.comparisons, levels, weights),
        weight=float(weight),
        apart=apart,
        link=bits(desk.model.thresholds["link"]),
        review=bits(desk.model.thresholds["review"]),
        model=words.model,
    )


def _may_be_compared(cursor: Any, gates: Gates, pair: Pair) -> bool:
    """Whether the gates of today are those of the last linkage, which compared the two, or let all feeds be compared.

    Which feeds speak of a record a steward cannot read; so once an agreement has changed, a pair of partners of which
    two feeds may not be compared waits for the next linkage.
    """
    cursor.execute(
        "SELECT purposes_digest FROM identity.run WHERE finished_at IS NOT NULL ORDER BY run_id DESC LIMIT 1"
    )
    row = cursor.fetchone()
    if row is not None and row[0] == gates.purposes_digest():
        return True
    one, other = (kind_of_all(gates, side.partner) for side in (pair.left, pair.right))
    return comparable(one, other, gates)


def _opinions(cursor: Any, pair: Pair) -> tuple[Opinion, ...]:
    cursor.execute(
        """
        SELECT decided_by, verdict, reason
        FROM identity.pair_opinion
        WHERE
            (partner_left, source_person_id_left) = (%s, %s)
            AND (partner_right, source_person_id_right) = (%s, %s)
        ORDER BY decision_id
        """,
        (*pair.left, *pair.right),
    )
    return tuple(Opinion(*row) for row in cursor.fetchall())


def _partners(pair: Pair) -> list[str]:
    return sorted({pair.left.partner, pair.right.partner})


def _side(partner: str, beside: Mapping[str, Any]) -> Side:
    return Side(partner, dict(sorted(beside["others"].items())), tuple(beside["programs"]))
