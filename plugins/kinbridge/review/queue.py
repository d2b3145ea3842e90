"""The queue of pairs that wait for a reviewer, in the order of what a decision on them is worth; read as kb_steward.

It holds numbers of pairs, partners and weights, and never what a record says: that is for `review/look.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from kinbridge.linkage.scoring import bits
from kinbridge.review.desk import Desk
from kinbridge.review.evidence import probability_of


class State(StrEnum):
    """Why a pair is before this reviewer."""

    DISAGREED = "disagreed"  # reviewers disagree; somebody has to change their mind
    OPEN = "open"  # nobody has decided
    UNSURE = "unsure"  # others could not tell
    SECOND = "second opinion"  # somebody has decided; what, the second reviewer is not told


@dataclass(frozen=True)
class Waiting:
    """A pair in a reviewer's queue. `weight` is log2 of the odds, `threshold` what a link needs, both in bits.

    `records` would go to another person, `figures` of the newest month would change, `partners`: whether the two sides
    are known to different partners. `alike` pairs wait with the same levels, `learnt` such pairs were decided.
    """

    pair_id: int
    state: State
    partner_left: str
    partner_right: str
    weight: float
    apart: str | None
    records: int
    figures: int
    partners: bool
    alike: int
    learnt: int
    worth: float

    @property
    def probability(self) -> float:
        """That the two are one person, by the pair's own evidence."""
        return probability_of(self.weight)

    @property
    def stakes(self) -> str:
        """What hangs on the decision, in words."""
        parts = ["1 record moves" if self.records == 1 else f"{self.records} records move"]
        if self.figures:
            parts.append(f"{self.figures} figures of the newest month change")
        if self.partners:
            parts.append("each side has a partner that the other has not")
        return "; ".join(parts)

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "probability": round(self.probability, 6)}


def waiting(connection: Any, desk: Desk, *, most: int | None = None, pair_id: int | None = None) -> list[Waiting]:
    """The reviewer's queue in its order, at most `most` pairs; or of it the pair named."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {_QUEUE}
            SELECT {_COLUMNS}
            FROM weighed
            WHERE %(pair)s::bigint IS NULL OR pair_id = %(pair)s
            {_ORDER}
            LIMIT %(most)s
            """,
            {**_given(desk), "most": most, "pair": pair_id},
        )
        return [_waiting(row) for row in cursor.fetchall()]


def counts(connection: Any, desk: Desk) -> dict[State, int]:
    """How many pairs wait for the reviewer, by state."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_QUEUE} SELECT state, count(*) FROM weighed GROUP BY state", _given(desk))
        found = dict(cursor.fetchall())
    return {state: int(found.get(state, 0)) for state in State}


def after(connection: Any, desk: Desk, pair_id: int | None = None) -> int | None:
    """The pair that follows `pair_id` in the queue, or the first of all; None where nothing more waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {_QUEUE},
            placed AS (SELECT pair_id, row_number() OVER ({_ORDER}) AS place FROM weighed)
            SELECT pair_id
            FROM placed
            WHERE place > coalesce((SELECT place FROM placed WHERE pair_id = %(after)s), 0) AND pair_id <> %(after)s
            ORDER BY place
            LIMIT 1
            """,
            {**_given(desk), "after": pair_id if pair_id is not None else 0},
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _given(desk: Desk) -> dict[str, Any]:
    return {
        **desk.terms.worth,
        "link": bits(desk.model.thresholds["link"]),
        "second_opinion": desk.terms.second_opinion,
        "reviewer": desk.reviewer.id.lower(),
        "partners_allowed": sorted(desk.partners),
    }


_COLUMNS = (
    "pair_id, state, partner_left, partner_right, weight, apart, records, figures, partners, alike, learnt, worth"
)
_ORDER = "ORDER BY state = 'disagreed' DESC, worth DESC, pair_id"

# Grain of weighed: one row per pair that is before the reviewer, with what a decision on it is worth; review.yaml has
# the formula. sources: identity.review_pair, identity.pair_verdict, identity.pair_opinion.
_QUEUE = """
WITH pair AS (
    SELECT
        pair.*,
        verdict.verdict,
        coalesce(verdict.disagreed, FALSE) AS disagreed,
        coalesce(verdict.reviewers, 0) AS reviewers,
        own.decision_id IS NOT NULL AS mine
    FROM identity.review_pair AS pair
    LEFT JOIN identity.pair_verdict AS verdict
        USING (partner_left, source_person_id_left, partner_right, source_person_id_right)
    LEFT JOIN (SELECT * FROM identity.pair_opinion WHERE reviewer = %(reviewer)s) AS own
        USING (partner_left, source_person_id_left, partner_right, source_person_id_right)
),

alike AS (
    SELECT
        training_id,
        levels,
        count(*) FILTER (WHERE waiting AND reviewers = 0) AS alike,
        count(*) FILTER (WHERE verdict IN ('same', 'different')) AS learnt
    FROM pair
    GROUP BY training_id, levels
),

before_me AS (
    SELECT
        pair.*,
        CASE
            WHEN disagreed THEN 'disagreed'
            WHEN reviewers = 0 AND waiting THEN 'open'
            WHEN NOT mine AND verdict = 'unsure' THEN 'unsure'
            WHEN
                NOT mine
                AND reviewers = 1
                AND identity.pair_chance(
                    partner_left, source_person_id_left, partner_right, source_person_id_right, 'second opinion'
                ) < %(second_opinion)s
                THEN 'second opinion'
        END AS state,
        1 / (1 + power(2.0::double precision, -greatest(-40, least(40, weight)))) AS probability
    FROM pair
    WHERE partner_left = ANY(%(partners_allowed)s) AND partner_right = ANY(%(partners_allowed)s)
),

measured AS (
    SELECT
        before_me.*,
        alike.alike,
        alike.learnt,
        -(probability * ln(probability) + (1 - probability) * ln(1 - probability))
        / ln(2.0::double precision) AS entropy
    FROM before_me
    INNER JOIN alike ON alike.levels = before_me.levels AND alike.training_id IS NOT DISTINCT FROM before_me.training_id
    WHERE state IS NOT NULL
),

weighed AS (
    SELECT
        measured.*,
        CASE
            WHEN apart IS NOT NULL THEN %(contradicted)s
            WHEN weight > %(link)s THEN greatest(entropy, %(kept_apart)s)
            ELSE entropy
        END
        * (
            1 + %(records)s * ln(records::double precision) / ln(2.0::double precision)
            + %(figures)s * figures
            + %(partners)s * partners::integer
        )
        * (1 + %(teaching)s * ln(1.0::double precision + alike) / ln(2.0::double precision) / (1 + learnt)) AS worth
    FROM measured
)
"""


def _waiting(row: tuple[Any, ...]) -> Waiting:
    pair_id, state, left, right, weight, apart, records, figures, partners, alike, learnt, worth = row
    return Waiting(
        pair_id=int(pair_id),
        state=State(state),
        partner_left=left,
        partner_right=right,
        weight=float(weight),
        apart=apart,
        records=int(records),
        figures=int(figures),
        partners=bool(partners),
        alike=int(alike),
        learnt=int(learnt),
        worth=round(float(worth), 6),
    )
