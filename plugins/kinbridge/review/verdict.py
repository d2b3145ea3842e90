"""Decisions of reviewers on pairs that they have looked at, their history, and how far reviewers agree.

A decision follows a look, and keeps in numbers what the look showed. Its reason may be one that is offered, or other
words; what stands in one of the records is refused, since reasons outlive records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.decision import VERDICTS, record_decision, withdraw_decision
from kinbridge.review.desk import Desk, stewards_only
from kinbridge.review.look import case_of
from kinbridge.warehouse.connection import transaction


@dataclass(frozen=True)
class Decided:
    """One decision of the past.

    It `stands` until it is withdrawn or the same reviewer decides anew; `pair_id` is None where the pair is in no
    queue. `disagreed`: another reviewer's decision that stands is a different one.
    """

    decision_id: int
    pair_id: int | None
    partner_left: str
    partner_right: str
    verdict: str
    reason: str
    decided_by: str
    decided_at: datetime
    withdrawn: bool
    stands: bool
    disagreed: bool


@dataclass(frozen=True)
class Concord:
    """How far two reviewers agree on `pairs` that both decided on: the share, and Cohen's kappa, which is what is left
    of it beyond chance. None where there are no pairs, or chance alone would make them agree on all."""

    first: str
    second: str
    pairs: int
    agreed: int
    kappa: float | None

    @property
    def share(self) -> float | None:
        """The share of pairs on which they agree."""
        return self.agreed / self.pairs if self.pairs else None


def decide(desk: Desk, pair_id: int, look_id: int, verdict: str, reason: str) -> int:
    """Take down what the reviewer decides after this look of the last day; the decision's number.

    Raises `KinbridgeError`: KB-K40 and KB-K41 as `record_decision` does, KB-K62 a role that may not, KB-K63 no such
    pair, KB-K65 a reason that quotes one of the records, KB-K66 no such look of this reviewer at this pair.
    """
    with transaction(desk.dsn) as connection:
        stewards_only(connection, desk.dsn)
        case = case_of(connection, desk, pair_id)
        _refuse_unseen(connection, desk, pair_id, look_id)
        if reason.strip() not in desk.terms.reasons.get(verdict, ()):
            _refuse_quotes(connection, desk, pair_id, look_id, reason)
        return record_decision(connection, case.pair, verdict, reason, desk.reviewer.id, seen=case.seen(look_id))


def withdraw(desk: Desk, decision_id: int, reason: str) -> int:
    """Withdraw a decision; the number of the withdrawal. Raises as `withdraw_decision` does, and KB-K62."""
    with transaction(desk.dsn) as connection:
        stewards_only(connection, desk.dsn)
        return withdraw_decision(connection, decision_id, reason, desk.reviewer.id)


def history(desk: Desk, *, most: int = 200) -> list[Decided]:
    """The newest decisions of all reviewers, without those on which this one has yet to give a second opinion."""
    with transaction(desk.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(_HISTORY, {"reviewer": desk.reviewer.id, "share": desk.terms.second_opinion, "most": most})
        return [Decided(*row) for row in cursor.fetchall()]


# Grain: one row per decision with a verdict. sources: identity.pair_decision, identity.pair_opinion,
# identity.pair_verdict, identity.review_pair.
_HISTORY = """
SELECT
    decision.decision_id,
    pair.pair_id,
    decision.partner_left,
    decision.partner_right,
    decision.verdict,
    decision.reason,
    decision.decided_by,
    decision.decided_at,
    EXISTS (SELECT FROM identity.pair_decision AS later WHERE later.withdraws = decision.decision_id) AS withdrawn,
    opinion.decision_id IS NOT NULL AS stands,
    opinion.decision_id IS NOT NULL AND coalesce(verdict.disagreed, FALSE) AS disagreed
FROM identity.pair_decision AS decision
LEFT JOIN identity.review_pair AS pair
    USING (partner_left, source_person_id_left, partner_right, source_person_id_right)
LEFT JOIN identity.pair_opinion AS opinion ON opinion.decision_id = decision.decision_id
LEFT JOIN identity.pair_verdict AS verdict
    ON verdict.partner_left = decision.partner_left
    AND verdict.source_person_id_left = decision.source_person_id_left
    AND verdict.partner_right = decision.partner_right
    AND verdict.source_person_id_right = decision.source_person_id_right
WHERE
    decision.verdict IS NOT NULL
    AND (
        verdict.reviewers IS DISTINCT FROM 1
        OR lower(btrim(decision.decided_by)) = lower(%(reviewer)s)
        OR verdict.verdict = 'unsure'
        OR pair.pair_id IS NULL
        OR identity.pair_chance(
            decision.partner_left, decision.source_person_id_left,
            decision.partner_right, decision.source_person_id_right, 'second opinion'
        ) >= %(share)s
    )
ORDER BY decision.decision_id DESC
LIMIT %(most)s
"""


def concord(connection: Any) -> list[Concord]:
    """How far each two reviewers agree, by the first decision of each on a pair that was not withdrawn; as kb_steward.

    The first counts, since it was taken without knowing the other's.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_OPINIONS)
        rows = cursor.fetchall()
    by_two: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for first, second, verdict_first, verdict_second, pairs in rows:
        by_two.setdefault((first, second), {})[verdict_first, verdict_second] = int(pairs)
    return [concord_of(first, second, table) for (first, second), table in sorted(by_two.items())]


# Grain: one row per two reviewers and what each of them decided first. sources: identity.pair_decision.
_FIRST_OPINIONS = """
WITH opinion AS (
    SELECT DISTINCT ON (
        partner_left, source_person_id_left, partner_right, source_person_id_right, lower(btrim(decided_by))
    )
        partner_left,
        source_person_id_left,
        partner_right,
        source_person_id_right,
        lower(btrim(decided_by)) AS reviewer,
        verdict
    FROM identity.pair_decision AS decision
    WHERE
        verdict IS NOT NULL
        AND NOT EXISTS (SELECT FROM identity.pair_decision AS later WHERE later.withdraws = decision.decision_id)
    ORDER BY
        partner_left,
        source_person_id_left,
        partner_right,
        source_person_id_right,
        lower(btrim(decided_by)),
        decision_id
)
SELECT
    one.reviewer,
    two.reviewer,
    one.verdict,
    two.verdict,
    count(*)
FROM opinion AS one
INNER JOIN opinion AS two
    USING (partner_left, source_person_id_left, partner_right, source_person_id_right)
WHERE one.reviewer < two.reviewer
GROUP BY one.reviewer, two.reviewer, one.verdict, two.verdict
"""


def concord_of(first: str, second: str, table: dict[tuple[str, str], int]) -> Concord:
    """The concord of two reviewers from how often they decided what. Cohen (1960), "A Coefficient of Agreement"."""
    pairs = sum(table.values())
    agreed = sum(count for (one, two), count in table.items() if one == two)
    by_chance = sum(
        sum(count for (one, _), count in table.items() if one == verdict)
        * sum(count for (_, two), count in table.items() if two == verdict)
        for verdict in VERDICTS
    )
    kappa = (pairs * agreed - by_chance) / (pairs**2 - by_chance) if pairs**2 != by_chance else None
    return Concord(first, second, pairs, agreed, kappa)


def _refuse_unseen(connection: Any, desk: Desk, pair_id: int, look_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 1
            FROM identity.pair_look
            WHERE
                look_id = %s
                AND pair_id = %s
                AND looked_by = %s
                AND looked_at > clock_timestamp() - INTERVAL '1 day'
            """,
            (look_id, pair_id, desk.reviewer.id),
        )
        if cursor.fetchone() is None:
            raise KinbridgeError("KB-K66", pair=pair_id, reviewer=desk.reviewer.name)


def _refuse_quotes(connection: Any, desk: Desk, pair_id: int, look_id: int, reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity.quoted(%s, %s, %s)", (look_id, reason, sorted(desk.gates.linkable)))
        (column,) = cursor.fetchone()
    if column is not None:
        raise KinbridgeError("KB-K65", pair=pair_id, column=column)
