"""How far two reviewers agree, beyond chance."""

from __future__ import annotations

import pytest

from kinbridge.review.verdict import concord_of


def test_cohens_example() -> None:
    # 20 times both same, 15 times both different, 15 times not: agreed 0.70, by chance 0.50.
    table = {("same", "same"): 20, ("same", "different"): 5, ("different", "same"): 10, ("different", "different"): 15}
    found = concord_of("a", "b", table)
    assert (found.pairs, found.agreed, found.share) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)


def test_full_agreement_on_more_than_one_verdict_is_one() -> None:
    assert concord_of("a", "b", {("same", "same"): 3, ("unsure", "unsure"): 1}).kappa == pytest.approx(1.0)


def test_where_chance_alone_would_agree_kappa_is_not_known() -> None:
    assert concord_of("a", "b", {("same", "same"): 9}).kappa is None
    assert concord_of("a", "b", {}).kappa is None
    assert concord_of("a", "b", {}).share is None
