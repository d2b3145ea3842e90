"""Decided pairs as labels: what the next model learns from, and what it is tested by.

A pair counts where its reviewers agree on one person or two. A declared share of pairs, chosen by a number that is the
pair's own, tests and never trains, in this run and in every other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kinbridge.linkage.decision import SourcePerson
from kinbridge.review.terms import Terms

TRAIN, TEST = "train", "test"


class Label(NamedTuple):
    """Two source persons, whether they are one person, how many reviewers say so, and what the pair is for."""

    left: SourcePerson
    right: SourcePerson
    same: bool
    reviewers: int
    part: str


def labelled_pairs(cursor: Any, terms: Terms) -> list[Label]:
    """Every label that stands, ordered by pair; as kb_linkage or kb_steward."""
    cursor.execute(_LABELS, {"test": terms.test, "train_word": TRAIN, "test_word": TEST})
    return [
        Label(SourcePerson(*row[:2]), SourcePerson(*row[2:4]), bool(row[4]), int(row[5]), str(row[6]))
        for row in cursor.fetchall()
    ]


# Grain: one row per pair on which the decisions that stand agree. sources: identity.pair_verdict.
_LABELS = """
SELECT
    partner_left,
    source_person_id_left,
    partner_right,
    source_person_id_right,
    verdict = 'same',
    reviewers,
    CASE
        WHEN
            identity.pair_chance(
                partner_left, source_person_id_left, partner_right, source_person_id_right, 'test'
            ) < %(test)s
            THEN %(test_word)s
        ELSE %(train_word)s
    END
FROM identity.pair_verdict
WHERE verdict IN ('same', 'different') AND NOT disagreed
ORDER BY partner_left, source_person_id_left, partner_right, source_person_id_right
"""
