"""What becomes of each row of a file. Reads as the promise; runs against a real database."""

from __future__ import annotations

import random
from datetime import date

import pytest
from tests.support.deliveries import TODAY, Intake, fates, visit

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import stage_delivery

APRIL, MAY, JUNE = date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)


def test_a_sound_row_is_loaded(intake: Intake) -> None:
    assert fates(intake.load(visit(1), visit(2))) == (2, 2, 0, 0, 0)
    assert intake.current() == [("V1", 60), ("V2", 60)]


def test_a_row_that_the_record_has_already_is_unchanged(intake: Intake) -> None:
    intake.load(visit(1), visit(2), as_of=MAY)
    assert fates(intake.load(visit(1), visit(2), visit(3), as_of=JUNE)) == (3, 1, 2, 0, 0)


def test_a_row_that_says_something_new_supersedes_what_was_known_and_the_old_is_kept(intake: Intake) -> None:
    intake.load(visit(1, minutes=30), as_of=MAY)
    assert fates(intake.load(visit(1, minutes=45), as_of=JUNE)) == (1, 1, 0, 0, 0)
    assert intake.current() == [("V1", 45)]
    history = intake.warehouse.query(
        "SELECT duration_minutes, known_to IS NULL, known_from < coalesce(known_to, 'infinity') "
        "FROM record.service_event ORDER BY known_from"
    )
    assert history == [(30, False, True), (45, True, True)]
    [(closed, opened)] = intake.warehouse.query("SELECT max(known_to), max(known_from) FROM record.service_event")
    assert closed == opened


def test_a_row_that_repeats_another_is_a_duplicate_not_a_finding(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1), visit(2), visit(1), visit(1)))
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (4, 2, 0, 0, 2)
    assert intake.warehouse.query("SELECT count(*) FROM ledger.finding") == [(0,)]
    assert intake.state(delivery) is State.ACCEPTED


def test_rows_that_differ_only_in_what_is_not_read_are_duplicates(intake: Intake) -> None:
    first, second = visit(1), visit(1).replace("canary-secret", "another")
    assert fates(intake.load(first, second)) == (2, 1, 0, 0, 1)


def test_a_row_that_breaks_a_critical_rule_waits_in_quarantine(intake: Intake) -> None:
    delivery = intake.judge(
        intake.deliver(visit(1), visit(2, "P2", "07/01/2026"), visit(3, "", "13/01/2026"), visit(4), visit(5))
    )
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (5, 3, 0, 2, 0)
    assert intake.quarantined(delivery) == {3: ["made.range"], 4: ["made.type", "person_id.presence"]}
    assert intake.state(delivery) is State.PARTLY_ACCEPTED
    [(content,)] = intake.warehouse.query("SELECT content FROM quarantine.source_row WHERE line_no = 3")
    assert content["made"] == "07/01/2026"
    assert [row[0] for row in intake.current()] == ["V1", "V4", "V5"]


def test_rows_that_share_a_key_and_differ_all_wait(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1), visit(2), visit(1, minutes=5), visit(3), visit(4)))
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (5, 3, 0, 2, 0)
    assert intake.quarantined(delivery) == {2: ["visit_id.unique"], 4: ["visit_id.unique"]}


def test_broken_rows_that_look_alike_are_not_taken_for_repeats(intake: Intake) -> None:
    sound = [visit(n) for n in range(4)]
    delivery = intake.judge(intake.deliver(*sound, "V9,P1", "V9,P1"))
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (6, 4, 0, 2, 0)


def test_a_value_that_breaks_a_warning_is_left_out_and_its_row_is_loaded(intake: Intake) -> None:
    delivery = intake.judge(
        intake.deliver(
            visit(1, "P1", "06/01/2026", 481, "0501", "H", ""),
            visit(2, "P2", "06/01/2026", "long", "99999", "Z", ""),
            visit(3, "P3", "06/01/2026", 480, "00501", "V", ""),
        )
    )
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (3, 3, 0, 0, 0)
    assert intake.state(delivery) is State.ACCEPTED_WITH_FINDINGS
    assert intake.current("source_service_event_id, duration_minutes, delivery_method") == [
        ("V1", None, "InPerson"),
        ("V2", None, None),
        ("V3", 480, "Virtual"),
    ]
    assert intake.current("source_person_id, postal_code", "person_address") == [
        ("P1", None),
        ("P2", None),
        ("P3", "00501"),
    ]


def test_a_row_that_no_mapping_takes_waits_in_quarantine(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver("NOWHERE" + visit("")[1:], visit(1)))
    assert fates(load_delivery(intake.warehouse.pipeline, delivery, TODAY)) == (2, 1, 0, 1, 0)
    assert intake.quarantined(delivery) == {2: ["row.unmapped"]}
    assert intake.warehouse.query("SELECT found, code FROM ledger.rule_result WHERE rule = 'row.unmapped'") == [
        (1, "KB-R11")
    ]


def test_nothing_vanishes(intake: Intake) -> None:
    """Eight files of random rows: every line has one fate, and the record and the quarantine bear it out."""
    chance, settled = random.Random(3), 0
    people, days = [*["P1", "P2", "P3"] * 4, ""], [*["01/01/2026", "01/02/2026"] * 8, "07/15/2026", "99/99/9999", ""]
    for month in range(8):
        rows = [
            visit(chance.randrange(400), chance.choice(people), chance.choice(days), chance.randrange(0, 500, 125))
            for _ in range(20)
        ]
        rows += [*chance.choices(rows, k=3), "NOWHERE" + visit("")[1:], "V1,P1", ""]
        delivery = intake.judge(intake.deliver(*rows, as_of=date(2026, 1 + month % 6, 28)))
        if intake.state(delivery) is State.HELD:
            account = intake.account(delivery)
            assert account is not None
            assert account.undecided == account.source_rows == 25
            continue
        account = load_delivery(intake.warehouse.pipeline, delivery, TODAY)
        assert sum(fates(account)[1:]) == fates(account)[0] == 25
        assert all(count > 0 for count in (fates(account)[1], fates(account)[3], fates(account)[4]))
        assert len(intake.quarantined(delivery)) == fates(account)[3]
        settled += 1
    assert settled >= 4


def test_an_older_delivery_that_arrives_late_is_history(intake: Intake) -> None:
    intake.load(visit(1, minutes=60), as_of=JUNE)
    late = intake.load(visit(1, minutes=50), visit(2, minutes=50), as_of=MAY)
    assert fates(late) == (2, 2, 0, 0, 0)
    # What only the older file says is news; what the newer one says otherwise stays.
    assert intake.current() == [("V1", 60), ("V2", 50)]
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event WHERE duration_minutes = 50") == [(2,)]


def test_what_a_newer_delivery_confirmed_an_older_one_cannot_supersede(intake: Intake) -> None:
    intake.load(visit(1, minutes=60), as_of=APRIL)
    assert fates(intake.load(visit(1, minutes=60), as_of=JUNE)) == (1, 0, 1, 0, 0)
    intake.load(visit(1, minutes=50), as_of=MAY)
    assert intake.current() == [("V1", 60)]


def test_a_correction_of_the_same_period_supersedes(intake: Intake) -> None:
    intake.load(visit(1, minutes=60), as_of=JUNE)
    intake.load(visit(1, minutes=61), as_of=JUNE)
    assert intake.current() == [("V1", 61)]


@pytest.mark.parametrize("seed", range(2))
def test_deliveries_in_any_order_come_to_the_same(intake: Intake, seed: int) -> None:
    chance = random.Random(seed)
    files = [
        (date(2026, month, 28), [visit(n, minutes=chance.choice([30, 60])) for n in range(5) if chance.random() < 0.7])
        for month in range(1, 6)
    ]
    files = [(as_of, rows) for as_of, rows in files if rows]
    for as_of, rows in files:
        intake.load(*rows, as_of=as_of)
    in_order = intake.current()
    intake.empty()
    for as_of, rows in chance.sample(files, len(files)):
        intake.load(*rows, as_of=as_of)
    assert intake.current() == in_order


def test_a_retry_changes_nothing(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1), visit(2, made="bad"), visit(3), visit(3)))
    first = load_delivery(intake.warehouse.pipeline, delivery, TODAY)

    def everything() -> list[object]:
        tables = (
            "record.service_event",
            "record.person_address",
            "quarantine.source_row",
            "ledger.finding",
            "ledger.load",
        )
        return [intake.warehouse.query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]

    before = everything()
    assert load_delivery(intake.warehouse.pipeline, delivery, TODAY) == first
    assert stage_delivery(intake.warehouse.pipeline, delivery, TODAY) == 0
    assert everything() == before


def test_an_element_outside_the_agreement_is_never_written_to_the_database(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1), visit(2, made="bad"), visit(3)))
    staged = intake.holding("V3")
    assert staged
    assert all(name.startswith(f"landing.atlas__visits_v1__d{delivery}") for name in staged)
    assert intake.holding("canary-secret") == []
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert "quarantine.source_row" in intake.holding("V2")
    assert intake.holding("canary-secret") == []


def test_of_a_row_with_a_field_too_few_nothing_is_kept_for_values_may_have_moved(intake: Intake) -> None:
    """Without its minutes, this row's unauthorised last value would stand where the mode is read."""
    delivery = intake.judge(intake.deliver("V1,P1,01/01/2026,00501,H,canary-secret", *map(visit, (2, 3, 4))))
    assert intake.holding("canary-secret") == []
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert "row.shape" in intake.quarantined(delivery)[2]
    assert intake.holding("canary-secret") == []


def test_the_landed_file_and_its_tables_are_gone_after_the_load(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1)))
    assert list(intake.folder.iterdir()) != []
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    assert list(intake.folder.iterdir()) == []
    assert intake.warehouse.query("SELECT tablename FROM pg_tables WHERE schemaname = 'landing'") == []


def test_a_delivery_is_not_staged_when_its_agreement_has_run_out(intake: Intake) -> None:
    delivery = intake.deliver(visit(1))
    with pytest.raises(KinbridgeError, match="KB-A03"):
        stage_delivery(intake.warehouse.pipeline, delivery, date(2027, 1, 1))
    assert intake.holding("V1") == []
