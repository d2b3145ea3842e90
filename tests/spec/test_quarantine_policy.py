"""What becomes of rows that were set aside. Reads as the promise; runs against a real database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.support.approving import approve
from tests.support.deliveries import JUNE, NOTES, TODAY, TRANSFORM, Intake, fates, visit
from tests.support.replays import EVERY_VISIT, MODES, NO_LATEST_DAY, loaded, mended, open_lines, replay, unreconciled

from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import State
from kinbridge.quarantine.replay import replay_delivery
from kinbridge.receive.decide import REJECT, record_decision
from kinbridge.receive.load import load_delivery

MAY, JULY = date(2026, 5, 31), date(2026, 7, 5)
LATE = "07/02/2026"
SOUND, MORE = [visit(n) for n in (11, 12, 13)], [visit(n) for n in (21, 22)]


@pytest.fixture(autouse=True)
def the_ledger_agrees_with_itself(intake: Intake) -> object:
    yield
    assert unreconciled(intake) == []


# Replay


def test_once_a_rule_is_mended_the_rows_that_now_pass_are_loaded_and_the_others_stay(
    intake: Intake, visits_folder: Path
) -> None:
    delivery = loaded(intake, *SOUND, visit(1, made=LATE), visit(2, made="bad"))
    assert intake.quarantined(delivery) == {5: ["made.range"], 6: ["made.type"]}
    with mended(visits_folder, NO_LATEST_DAY):
        done = replay(intake, delivery)
    assert done is not None
    assert (done.tried, done.loaded, done.unchanged, done.quarantined) == (2, 1, 0, 1)
    assert fates(intake.account(delivery)) == (5, 4, 0, 1, 0)
    assert open_lines(intake, delivery) == [6]
    assert intake.state(delivery) is State.PARTLY_ACCEPTED
    # As if it had been loaded with the others: the file, the line, the day of its own delivery.
    provenance = "delivery_id, line_no, as_of FROM record.service_event WHERE source_service_event_id = 'V1'"
    assert intake.warehouse.query(f"SELECT {provenance}") == [(delivery, 5, JUNE)]
    findings = intake.warehouse.query("SELECT rule, line_no FROM ledger.finding")
    assert findings == [("made.type", 6)]


def test_once_a_transform_is_mended_what_it_did_not_take_is_loaded(intake: Intake, visits_folder: Path) -> None:
    nowhere = "NOWHERE" + visit("")[1:]
    delivery = loaded(intake, nowhere, visit(1))
    assert intake.quarantined(delivery) == {2: ["row.unmapped"]}
    done = replay(intake, delivery)
    assert done is not None
    assert (done.loaded, done.quarantined) == (0, 1)
    assert intake.quarantined(delivery) == {2: ["row.unmapped"]}
    with mended(visits_folder, EVERY_VISIT):
        replay(intake, delivery)
    assert [key for key, _ in intake.current()] == ["NOWHERE", "V1"]
    assert intake.state(delivery) is State.ACCEPTED


def test_a_replay_reads_the_crosswalk_of_today(intake: Intake, visits_folder: Path) -> None:
    delivery = loaded(intake, *SOUND, visit(1, "P1", LATE, 60, "00501", "P", ""))
    with mended(visits_folder, NO_LATEST_DAY, (MODES, "V,Virtual,\n", "P,Phone,\nV,Virtual,\n")):
        replay(intake, delivery)
    assert ("V1", "Phone") in intake.current("source_service_event_id, delivery_method")
    assert intake.state(delivery) is State.ACCEPTED


def test_when_no_row_is_left_the_delivery_is_accepted_with_findings_where_there_are_some(
    intake: Intake, visits_folder: Path
) -> None:
    delivery = loaded(intake, *SOUND, visit(1, made=LATE, minutes=999))
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, delivery)
    assert intake.state(delivery) is State.ACCEPTED_WITH_FINDINGS
    assert intake.warehouse.query("SELECT rule, found FROM ledger.rule_result WHERE found > 0") == [
        ("minutes.range", 1)
    ]
    assert ("V1", None) in intake.current()


def test_a_second_replay_finds_nothing_to_do(intake: Intake, visits_folder: Path) -> None:
    delivery = loaded(intake, *SOUND, visit(1, made=LATE))
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, delivery)
        before = intake.warehouse.query("SELECT count(*) FROM record.service_event")
        assert replay(intake, delivery) is None
    assert intake.warehouse.query("SELECT count(*) FROM record.service_event") == before
    assert fates(intake.account(delivery)) == (4, 4, 0, 0, 0)
    assert intake.warehouse.query("SELECT replayed_by, tried, loaded FROM ledger.replay") == [("a person", 1, 1)]


def test_a_row_that_the_record_knows_by_now_is_unchanged(intake: Intake, visits_folder: Path) -> None:
    intake.load(visit(1, made=LATE), as_of=JULY)
    june = loaded(intake, *SOUND, visit(1, made=LATE))
    assert open_lines(intake, june) == [5]
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, june)
    assert fates(intake.account(june)) == (4, 3, 1, 0, 0)
    assert intake.current("as_of") == [(JUNE,)] * 3 + [(JULY,)]


def test_a_row_of_an_older_day_does_not_overrule_what_a_newer_file_said(intake: Intake, visits_folder: Path) -> None:
    """Of the same person another visit says another address: the newer file's stays, the older one's is history."""
    old = loaded(intake, *SOUND, visit(1, "P9", "06/02/2026", 60, "11111", "H", ""), as_of=MAY)
    assert open_lines(intake, old) == [5]
    intake.load(visit(2, "P9", "06/03/2026", 60, "22222", "H", ""), as_of=JUNE)
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, old)
    assert ("P9", "22222") in intake.current("source_person_id, postal_code", "person_address")
    history = "SELECT postal_code FROM record.person_address WHERE source_person_id = 'P9' AND known_to IS NOT NULL"
    assert intake.warehouse.query(history) == [("11111",)]


def test_of_two_files_of_one_day_the_later_one_holds_whenever_the_other_is_replayed(
    intake: Intake, visits_folder: Path
) -> None:
    first = loaded(intake, *SOUND, visit(1, "P9", LATE, 60, "11111", "H", ""))
    loaded(intake, *SOUND, visit(2, "P9", "06/03/2026", 60, "22222", "H", ""))
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, first)
    assert ("P9", "22222") in intake.current("source_person_id, postal_code", "person_address")


def test_what_the_file_itself_has_said_already_stands(intake: Intake, visits_folder: Path) -> None:
    """Which of its rows speaks for the person, the transform chose among those that were sound then."""
    rows = [visit(1, "P9", "06/03/2026", 60, "11111", "H", ""), visit(2, "P9", LATE, 60, "22222", "H", "")]
    delivery = loaded(intake, *SOUND, *rows)
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, delivery)
    assert ("P9", "11111") in intake.current("source_person_id, postal_code", "person_address")
    assert [key for key, _ in intake.current()] == ["V1", "V11", "V12", "V13", "V2"]


def test_a_row_whose_shape_was_broken_stays_whatever_is_mended(intake: Intake, visits_folder: Path) -> None:
    delivery = loaded(intake, *SOUND, "V1,P1")
    with mended(visits_folder, ("contract.odcs.yaml", "required: true", "required: false")):
        done = replay(intake, delivery)
    assert done is not None
    assert (done.loaded, done.quarantined) == (0, 1)
    assert intake.quarantined(delivery)[5] == ["row.shape"]


def test_rows_that_shared_a_key_pass_once_the_key_is_mended(intake: Intake, visits_folder: Path) -> None:
    delivery = loaded(intake, *SOUND, visit(1, "P1"), visit(1, "P2"))
    assert open_lines(intake, delivery) == [5, 6]
    key = ("contract.odcs.yaml", "primaryKey: true", "primaryKey: true\n        primaryKeyPosition: 1")
    also = (
        "contract.odcs.yaml",
        "name: person_id\n",
        "name: person_id\n        primaryKey: true\n        primaryKeyPosition: 2\n",
    )
    by_both = ("transform.sql", "source.visit_id AS", "source.visit_id || source.person_id AS")
    with mended(visits_folder, key, also, by_both):
        done = replay(intake, delivery)
    assert done is not None
    assert (done.loaded, done.quarantined) == (2, 0)
    assert intake.state(delivery) is State.ACCEPTED


def test_a_row_that_referred_to_nobody_passes_once_the_other_feed_has_come(intake: Intake, tmp_path: Path) -> None:
    notes = Intake(intake.warehouse, tmp_path, NOTES, "note_id,person_id,day")
    notes.numbers = intake.numbers
    intake.load(visit(9, "P9"))
    known = [f"N{n},P9,01/01/2026" for n in (7, 8, 9)]
    early = loaded(notes, "N1,P1,01/01/2026", "N2,P2,01/01/2026", *known)
    assert open_lines(intake, early) == [2, 3]
    intake.load(visit(1, "P1"))
    done = replay(notes, early)
    assert done is not None
    assert (done.loaded, done.quarantined) == (1, 1)
    assert open_lines(intake, early) == [3]


def test_rows_of_a_file_that_a_person_refused_are_not_replayed(intake: Intake) -> None:
    delivery = intake.judge(intake.deliver(visit(1, made="bad"), visit(2)))
    assert intake.state(delivery) is State.HELD
    with pytest.raises(KinbridgeError, match="KB-Q02"):
        replay(intake, delivery)
    record_decision(intake.warehouse.pipeline, delivery, REJECT, "steward", datetime(2026, 7, 6, tzinfo=UTC), "")
    load_delivery(intake.warehouse.pipeline, delivery, TODAY)
    with pytest.raises(KinbridgeError, match="KB-Q01"):
        replay(intake, delivery)
    assert intake.current() == []


# The agreement


def test_without_an_agreement_in_force_nothing_is_replayed(intake: Intake) -> None:
    delivery = loaded(intake, *SOUND, visit(1, made=LATE))
    with pytest.raises(KinbridgeError, match="KB-A03"):
        replay_delivery(intake.warehouse.pipeline, delivery, date(2027, 1, 1), "a person")
    assert open_lines(intake, delivery) == [5]


def test_a_column_that_the_agreement_took_back_is_not_loaded(intake: Intake, visits_folder: Path) -> None:
    delivery = loaded(intake, *SOUND, visit(1, "P9", LATE, 60, "55555", "H", ""))
    agreement = visits_folder.parents[3] / "agreements" / "atlas.yaml"
    text = agreement.read_text(encoding="utf-8")
    agreement.write_text(text.replace(" zip,", ""), encoding="utf-8")
    approve(agreement.parents[1])
    try:
        with mended(visits_folder, NO_LATEST_DAY, suite=True):
            done = replay_delivery(intake.warehouse.pipeline, delivery, TODAY, "a person")
    finally:
        agreement.write_text(text, encoding="utf-8")
        approve(agreement.parents[1])
    assert done.loaded == 1
    assert ("P9", None) in intake.current("source_person_id, postal_code", "person_address")
    assert intake.holding("55555") == ["quarantine.source_row"]


# A corrected file


def test_a_corrected_file_resolves_the_rows_that_it_brings_again(intake: Intake) -> None:
    first = loaded(intake, *SOUND, visit(1, made="bad"), visit(2, made=LATE), visit(3, ""), *MORE)
    assert open_lines(intake, first) == [5, 6, 7]
    second = loaded(intake, *SOUND, visit(1), visit(2, made=LATE), visit(3, ""), visit(4))
    # The second row is as wrong as before: both files' rows wait.
    assert open_lines(intake, first) == [6, 7]
    assert open_lines(intake, second) == [6, 7]
    assert fates(intake.account(first)) == (8, 5, 0, 3, 0)
    assert fates(intake.account(second)) == (7, 2, 3, 2, 0)
    resolved = "SELECT delivery_id, line_no, resolved_by FROM quarantine.source_row WHERE resolved_by IS NOT NULL"
    assert intake.warehouse.query(resolved) == [(first, 5, second)]
    events = intake.warehouse.query("SELECT delivery_id, facts FROM ledger.event WHERE what = 'rows corrected'")
    assert events == [(first, {"by": second, "rows": 1})]


def test_a_row_that_is_known_already_resolves_as_well(intake: Intake) -> None:
    intake.load(visit(1), as_of=MAY)
    wrong = loaded(intake, *SOUND, visit(1, made="bad"))
    loaded(intake, visit(1))
    assert open_lines(intake, wrong) == []


def test_blanks_around_a_key_do_not_hide_it(intake: Intake) -> None:
    first = loaded(intake, *SOUND, f"  {visit(1, made='bad')}")
    loaded(intake, visit(1))
    assert open_lines(intake, first) == []


def test_a_row_without_its_key_is_nobodys_and_stays(intake: Intake) -> None:
    first = loaded(intake, *SOUND, visit(1)[2:], visit(2))
    assert open_lines(intake, first) == [5]
    loaded(intake, *SOUND, visit(1), visit(2))
    assert open_lines(intake, first) == [5]


def test_a_late_file_of_an_earlier_month_corrects_nothing_of_a_newer_one(intake: Intake) -> None:
    june = loaded(intake, *SOUND, visit(1, made="bad"), as_of=JUNE)
    loaded(intake, visit(1), as_of=MAY)
    assert open_lines(intake, june) == [5]


def test_a_corrected_file_resolves_the_rows_of_a_refused_one(intake: Intake) -> None:
    refused = intake.judge(intake.deliver(visit(1, made="bad"), visit(2)))
    record_decision(intake.warehouse.pipeline, refused, REJECT, "steward", datetime(2026, 7, 6, tzinfo=UTC), "")
    load_delivery(intake.warehouse.pipeline, refused, TODAY)
    loaded(intake, visit(1), visit(2))
    assert open_lines(intake, refused) == []
    assert intake.state(refused) is State.REFUSED


def test_what_a_corrected_file_resolved_is_not_replayed(intake: Intake, visits_folder: Path) -> None:
    first = loaded(intake, *SOUND, visit(1, made=LATE, minutes=1), visit(2, made=LATE, minutes=1))
    loaded(intake, *SOUND, visit(1, minutes=2))
    with mended(visits_folder, NO_LATEST_DAY):
        done = replay(intake, first)
    assert done is not None
    assert (done.tried, done.loaded) == (1, 1)
    assert dict(intake.current())["V1"] == 2
    # The first file's row is accounted for as it was: set aside, and corrected since.
    assert fates(intake.account(first)) == (5, 4, 0, 1, 0)
    assert intake.state(first) is State.PARTLY_ACCEPTED


def test_a_replayed_row_resolves_older_ones_of_its_key(intake: Intake, visits_folder: Path) -> None:
    may = loaded(intake, *SOUND, visit(1, made=LATE), as_of=MAY)
    june = loaded(intake, *SOUND, visit(1, made=LATE), as_of=JUNE)
    with mended(visits_folder, NO_LATEST_DAY):
        replay(intake, june)
        assert open_lines(intake, may) == []
        assert replay(intake, may) is None


def test_the_transform_is_as_it_was(visits_folder: Path) -> None:
    """Not a policy: the tests above give back what they mended."""
    assert (visits_folder / "transform.sql").read_text(encoding="utf-8") == TRANSFORM
