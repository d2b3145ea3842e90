"""What happens when a partner's export changes from one file to the next."""

from __future__ import annotations

from datetime import date

import pytest
from tests.support.deliveries import HEADER, JUNE, TODAY, Intake, visit

from kinbridge.ledger.states import State
from kinbridge.receive.decide import hold_of
from kinbridge.receive.load import load_delivery

MAY = date(2026, 5, 31)
GOOD = [visit(n) for n in range(100)]


def seen(intake: Intake, *rows: str, content: bytes | None = None, as_of: date = JUNE) -> tuple[int, dict[str, str]]:
    """A delivery as validated: its number, and the columns by file rule that it broke."""
    delivery = intake.judge(intake.deliver(*rows, as_of=as_of, content=content))
    found = intake.warehouse.query(
        "SELECT rule, coalesce(column_name, '') FROM ledger.rule_result "
        "WHERE delivery_id = %s AND scope = 'file' AND found > 0",
        (delivery,),
    )
    return delivery, dict(found)


@pytest.fixture
def known(intake: Intake) -> Intake:
    """A feed whose last good delivery had a hundred visits."""
    intake.load(*GOOD, as_of=MAY)
    return intake


def test_the_first_file_of_a_feed_has_nothing_to_drift_from(intake: Intake) -> None:
    rows = [visit(n, "P1", "01/01/2026", 60, "00501", "X", "s") for n in range(100)]
    assert seen(intake, *rows)[1] == {}


def test_columns_that_moved_do_no_harm(known: Intake) -> None:
    names = HEADER.split(",")
    rows = [dict(zip(names, row.split(","), strict=True)) for row in GOOD]
    moved = list(reversed(names))
    text = "\n".join([",".join(moved), *(",".join(row[name] for name in moved) for row in rows)]) + "\n"
    delivery, found = seen(known, content=text.encode())
    assert found == {}
    assert load_delivery(known.warehouse.pipeline, delivery, TODAY) is not None
    assert known.state(delivery) is State.ACCEPTED


def test_a_new_column_is_not_read_and_is_reported(known: Intake) -> None:
    text = "\n".join([HEADER + ",surprise", *(row + ",zebra" for row in GOOD)]) + "\n"
    delivery, found = seen(known, content=text.encode())
    assert found == {"file.new_column": ""}
    assert known.state(delivery) is State.VALIDATED
    assert known.holding("zebra") == []


def test_a_missing_optional_column_is_empty_and_is_reported(known: Intake) -> None:
    text = "\n".join([HEADER.replace("mode,", ""), *(row.replace(",H,", ",") for row in GOOD)]) + "\n"
    delivery, found = seen(known, content=text.encode())
    assert found == {"file.missing_column": "mode"}
    assert load_delivery(known.warehouse.pipeline, delivery, TODAY) is not None
    assert known.state(delivery) is State.ACCEPTED_WITH_FINDINGS
    assert set(known.current("delivery_method")) == {(None,)}


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (lambda n: visit(n, minutes="one hour"), "minutes", "minutes: unreadable 60%, before 0%"),
        (
            lambda n: visit(n, "P1", "01/01/2026", 60, "00501", "HOME", "s"),
            "mode",
            "mode: unknown codes 60%, before 0%",
        ),
        (lambda n: visit(n, "P1", "01/01/2026", 60, "NY", "H", "s"), "zip", "zip: unlike the format 60%, before 0%"),
    ],
)
def test_a_column_that_is_suddenly_read_in_half_of_the_rows_only_holds_the_file(
    known: Intake, row: object, column: str, words: str
) -> None:
    changed = [row(n) if n < 60 else visit(n) for n in range(100)]  # type: ignore[operator]
    delivery, found = seen(known, *changed)
    assert found == {"file.drift": column}
    assert known.state(delivery) is State.HELD
    hold = hold_of(known.warehouse.pipeline, delivery)
    assert hold is not None
    assert f"changed since then: {words}" in hold.body
    assert "`rows_1.csv` (delivery " in hold.body


def test_a_column_that_is_suddenly_empty_holds_the_file(known: Intake) -> None:
    changed = [visit(n, "P1", "01/01/2026", 60, "" if n < 95 else "00501", "H", "s") for n in range(100)]
    assert seen(known, *changed)[1] == {"file.drift": "zip"}


def test_a_few_more_mistakes_than_before_are_no_drift(known: Intake) -> None:
    changed = [visit(n, minutes="one hour" if n < 40 else 60) for n in range(100)]
    assert seen(known, *changed)[1] == {}


def test_what_was_bad_before_is_no_drift(intake: Intake) -> None:
    rows = [visit(n, "P1", "01/01/2026", 60, "NY" if n < 60 else "00501", "H", "s") for n in range(100)]
    intake.load(*rows, as_of=MAY)
    assert seen(intake, *rows, visit(200))[1] == {}


def test_a_file_that_shrank_is_held(known: Intake) -> None:
    delivery, found = seen(known, *GOOD[:49])
    assert found == {"file.shrunk": ""}
    assert known.state(delivery) is State.HELD
    hold = hold_of(known.warehouse.pipeline, delivery)
    assert hold is not None
    assert "100; in this one, without repeats: 49" in hold.body


def test_half_of_the_rows_is_still_believed(known: Intake) -> None:
    assert seen(known, *GOOD[:50])[1] == {}


def test_a_held_file_is_nothing_to_compare_with(known: Intake) -> None:
    seen(known, *GOOD[:49])
    assert seen(known, *GOOD[:60])[1] == {}
