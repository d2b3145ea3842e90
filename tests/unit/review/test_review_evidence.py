"""What a pair's levels mean in words, and where two values differ."""

from __future__ import annotations

import pytest

from kinbridge.linkage.scoring import bits
from kinbridge.review.evidence import MISSING, Row, comparisons_of, grouped, probability_of

WORDS = (("first_name", ("equal", "alike", "different")), ("ssn", ("equal", "different")), ("mother", ("equal",)))


def test_levels_have_their_labels_and_none_is_missing() -> None:
    found = comparisons_of(WORDS, [2, 0, 1], [3.456, 0.0, -1.2])
    assert [(one.label, one.bits) for one in found] == [("alike", 3.46), (MISSING, 0.0), ("equal", -1.2)]


def test_columns_stand_beside_the_comparison_that_weighs_them() -> None:
    groups = grouped(
        comparisons_of(WORDS, [2, 0, 1], [3.4, 0, 1]),
        {"first_name": "Ann", "phone": "1", "city": "Thornwick"},
        {"first_name": "Anne", "city": "Thornwick"},
    )
    assert [(group.comparison and group.comparison.name, [row.column for row in group.rows]) for group in groups] == [
        ("first_name", ["first_name"]),
        ("ssn", []),
        (None, ["phone", "city"]),
        ("mother", []),
    ]


@pytest.mark.parametrize(
    ("left", "right", "agreement"),
    [("Ann", "ANN", "same"), ("Ann", "Anne", "different"), ("Ann", "", "one side"), ("", "Ann", "one side")],
)
def test_values_agree_or_not_letter_by_letter(left: str, right: str, agreement: str) -> None:
    assert Row("first_name", left, right).agreement == agreement


@pytest.mark.parametrize(
    ("left", "right", "differs_left", "differs_right"),
    [
        ("Aaliyah", "Aliyah", "A", ""),
        ("2022-03-04", "2022-03-14", "0", "1"),
        # Too little in common to mark letters; and letters whose small form is longer.
        ("Ann", "Wilhelmina", "", ""),
        ("İrem", "Irem", "", ""),
    ],
)
def test_what_differs_is_marked_and_nothing_is_lost(
    left: str, right: str, differs_left: str, differs_right: str
) -> None:
    one, two = Row("x", left, right).marked
    assert ("".join(text for text, _ in one), "".join(text for text, _ in two)) == (left, right)
    assert "".join(text for text, differs in one if differs) == differs_left
    assert "".join(text for text, differs in two if differs) == differs_right


def test_nothing_of_a_record_is_in_what_can_be_printed() -> None:
    group = grouped((), {"first_name": "Wilhelmina"}, {})[0]
    assert "Wilhelmina" not in repr(group)
    assert "Wilhelmina" not in repr(group.rows)


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.75, 0.999])
def test_bits_and_probability_are_each_others_way_back(probability: float) -> None:
    assert probability_of(bits(probability)) == pytest.approx(probability)
