"""What a period comes to: which are owed, when a delivery counts, what a pause does to a due day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinbridge.agreement.force import force
from kinbridge.agreement.reader import read_agreements
from kinbridge.calendar.expected import Owing, expectations, owed, period_of, spans_of
from kinbridge.calendar.pause import Pause
from kinbridge.calendar.status import Arrival, Break, Expectation, Status
from kinbridge.calendar.terms import Terms
from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.ledger.states import ACCEPTED, State

MONTHLY = Terms(1, "m", 10)
FEED = "atlas/visits_v1"


def day(text: str) -> date:
    return date.fromisoformat(text)


def owing(*spans: tuple[str, str], terms: Terms = MONTHLY) -> Owing:
    return Owing("atlas", FEED, terms, tuple((day(first), day(last)) for first, last in spans))


def came(when: str, month: str | None = "2026-06-01", state: State = State.ACCEPTED, number: int = 1) -> Arrival:
    return Arrival(number, "visits.csv", state, day(when), day(month) if month else None)


YEAR = owing(("2026-01-01", "2026-12-31"))


def june(as_of: str, *arrivals: Arrival, breaks: Sequence[Break] = ()) -> Expectation:
    [found] = [one for one in expectations(YEAR, arrivals, day(as_of), breaks) if one.period.label == "2026-06"]
    return found


@pytest.mark.parametrize(
    ("spans", "until", "labels"),
    [
        # The first owed period holds the agreement's first day.
        ([("2026-01-15", "2027-12-31")], "2026-03-20", ["2026-01", "2026-02", "2026-03"]),
        # What would be due after the agreement's end could not be collected any more.
        ([("2026-01-01", "2026-04-09")], "2026-12-31", ["2026-01", "2026-02"]),
        ([("2026-01-01", "2026-04-10")], "2026-12-31", ["2026-01", "2026-02", "2026-03"]),
        # A renewal takes over; a gap between two agreements owes nothing.
        ([("2026-01-01", "2026-02-28"), ("2026-03-01", "2026-05-31")], "2026-12-31", [f"2026-0{m}" for m in "1234"]),
        ([("2026-01-01", "2026-02-15"), ("2026-05-01", "2026-07-31")], "2026-07-31", ["2026-01", "2026-05", "2026-06"]),
        ([("2027-01-01", "2027-12-31")], "2026-12-31", []),
        ([], "2026-12-31", []),
    ],
)
def test_what_is_owed_follows_from_the_agreements(spans: list[tuple[str, str]], until: str, labels: list[str]) -> None:
    assert [period.label for period in owed(owing(*spans), day(until))] == labels


def test_only_signed_and_approved_agreements_of_the_partner_itself_count() -> None:
    agreements = [a for a in read_agreements() if a.id == "dsa-medicaid" and a.amends is None]
    approved = read_approvals(None)
    feed = "medicaid/eligibility_v1"
    assert spans_of(feed, force(agreements, approved), day("2026-06-01")) == ((day("2025-01-01"), day("2028-12-31")),)
    assert spans_of("snap/participation_v1", force(agreements, approved), day("2026-06-01")) == ()
    unsigned = [replace(a, signatures=()) for a in agreements]
    assert spans_of(feed, force(unsigned, approved), day("2026-06-01")) == ()
    assert spans_of(feed, force(agreements, Approvals()), day("2026-06-01")) == ()
    changed = [replace(a, digest="sha256:another") for a in agreements]
    assert spans_of(feed, force(changed, approved), day("2026-06-01")) == ()


@pytest.mark.parametrize(
    ("arrived", "status"),
    [
        ("2026-06-30", Status.EARLY),
        ("2026-07-01", Status.ON_TIME),
        ("2026-07-10", Status.ON_TIME),
        ("2026-07-11", Status.LATE),
    ],
)
def test_the_day_of_arrival_decides_how_it_came(arrived: str, status: Status) -> None:
    for state in ACCEPTED:
        assert june("2026-09-01", came(arrived, state=state)).status is status


@pytest.mark.parametrize(
    ("as_of", "status"),
    [("2026-06-01", Status.EXPECTED), ("2026-07-10", Status.EXPECTED), ("2026-07-11", Status.MISSING)],
)
def test_nothing_came(as_of: str, status: Status) -> None:
    assert june(as_of).status is status


@pytest.mark.parametrize("state", sorted(set(State) - ACCEPTED - {State.DUPLICATE}))
def test_what_is_not_accepted_fulfils_nothing_but_is_shown(state: State) -> None:
    arrival = came("2026-07-02", state=state)
    before, after = june("2026-07-10", arrival), june("2026-07-11", arrival)
    assert (before.status, after.status) == (Status.EXPECTED, Status.LATE)
    assert (before.arrivals, after.arrivals, after.fulfilled) == ((arrival,), (arrival,), False)
    assert after.waits_for_us is (state is not State.REFUSED)


def test_a_refused_file_does_not_make_its_successor_on_time() -> None:
    refused = came("2026-07-02", state=State.REFUSED)
    assert june("2026-08-01", refused, came("2026-07-09", number=2)).status is Status.ON_TIME
    assert june("2026-08-01", refused, came("2026-07-12", number=2)).status is Status.LATE


def test_two_accepted_files_are_doubled_but_a_correction_is_not() -> None:
    first, second = came("2026-07-02"), came("2026-07-05", number=2)
    assert june("2026-08-01", first, second).status is Status.DOUBLED
    # Its receipt asked for a corrected file, even if a replay has made it whole since.
    assert june("2026-08-01", replace(first, corrigible=True), second).status is Status.ON_TIME
    assert june("2026-08-01", first, replace(second, corrigible=True)).status is Status.DOUBLED
    assert june("2026-08-01", first, replace(second, state=State.REFUSED)).status is Status.ON_TIME
    # As one looked at it in between.
    assert june("2026-07-03", first, second).status is Status.ON_TIME


def test_an_attestation_is_not_a_missing_file() -> None:
    nothing = replace(came("2026-07-02"), attests=True)
    assert june("2026-08-01", nothing).status is Status.NOTHING_TO_REPORT
    assert june("2026-08-01", nothing, came("2026-07-05", number=2)).status is Status.ON_TIME


def test_a_file_for_a_month_to_come_is_early() -> None:
    found = expectations(YEAR, [came("2026-07-02", "2026-09-01")], day("2026-07-02"))
    assert [(one.period.label, one.status) for one in found[-2:]] == [
        ("2026-07", Status.EXPECTED),
        ("2026-09", Status.EARLY),
    ]


@pytest.mark.parametrize(
    ("terms", "arrival", "label"),
    [
        (MONTHLY, came("2026-07-02", "2026-05-01"), "2026-05"),
        (MONTHLY, came("2026-07-02", None), "2026-06"),
        (Terms(3, "m", 30), came("2026-07-02", "2026-06-01"), "2026-Q2"),
        (Terms(3, "m", 30), came("2026-07-02", "2026-04-01"), "2026-Q2"),
        # A month's name cannot tell a week: the last week that was over.
        (Terms(1, "w", 2), came("2026-07-14", "2026-07-01"), "2026-W28"),
        (Terms(1, "w", 2), came("2026-07-12", None), "2026-W27"),
        (Terms(1, "d", 1), came("2026-07-14", None), "2026-07-13"),
    ],
)
def test_which_period_a_file_is_for(terms: Terms, arrival: Arrival, label: str) -> None:
    assert period_of(arrival, terms).label == label


def test_a_paused_partner_owes_nothing_until_it_is_resumed() -> None:
    pause = Break(day("2026-07-05"), day("2026-08-20"))
    assert june("2026-07-04", breaks=[pause]).status is Status.EXPECTED
    assert june("2026-07-05", breaks=[pause]).status is Status.PAUSED
    assert june("2026-08-19", breaks=[pause]).status is Status.PAUSED
    # The due day fell into the pause: the contract's ten days count anew.
    resumed = june("2026-08-20", breaks=[pause])
    assert (resumed.status, resumed.due) == (Status.EXPECTED, day("2026-08-30"))
    assert june("2026-08-31", breaks=[pause]).status is Status.MISSING
    assert june("2026-07-20", came("2026-07-02"), breaks=[pause]).status is Status.ON_TIME


def test_a_due_day_outside_of_the_pause_stays() -> None:
    later = Break(day("2026-07-11"), day("2026-08-20"))
    assert june("2026-08-20", breaks=[later]).due == day("2026-07-10")
    assert june("2026-08-20", breaks=[later]).status is Status.MISSING
    assert june("2026-07-12", breaks=[Break(day("2026-07-11"), None)]).status is Status.PAUSED


def test_a_feed_without_latency_has_days_of_grace_after_a_pause() -> None:
    weekly = owing(("2026-01-01", "2026-12-31"), terms=Terms(1, "w", 0))
    found = expectations(weekly, [], day("2026-07-20"), [Break(day("2026-07-10"), day("2026-07-20"))])
    assert {one.period.label: one.due for one in found if one.period.label == "2026-W28"} == {
        "2026-W28": day("2026-07-23")
    }


def test_a_pause_is_counted_in_the_days_of_the_partners_clock() -> None:
    denver = ZoneInfo("America/Denver")
    late = datetime(2026, 7, 6, 3, 0, tzinfo=UTC)  # the evening of the 5th in Denver
    pause = Pause("atlas", "moving", "steward", late, None, None, None)
    assert pause.days(denver) == Break(day("2026-07-05"), None)
    assert pause.days(ZoneInfo("UTC")) == Break(day("2026-07-06"), None)
    resumed = replace(pause, resumed_by="steward", resumed_at=late + timedelta(days=3))
    assert resumed.days(denver) == Break(day("2026-07-05"), day("2026-07-08"))
    until = replace(pause, until=day("2026-07-06"))
    assert until.days(denver) == Break(day("2026-07-05"), day("2026-07-07"))
    assert until.in_force(datetime(2026, 7, 7, 5, 59, tzinfo=UTC), denver)
    assert not until.in_force(datetime(2026, 7, 7, 6, 0, tzinfo=UTC), denver)
    assert not resumed.in_force(late + timedelta(days=3), denver)
    assert not pause.in_force(late - timedelta(seconds=1), denver)


ARRIVALS = st.lists(
    st.builds(
        lambda number, offset, month, state: Arrival(
            number, "f.csv", state, date(2026, 1, 1) + timedelta(days=offset), date(2026, month, 1)
        ),
        st.integers(1, 99),
        st.integers(0, 400),
        st.integers(1, 12),
        st.sampled_from([state for state in State if state is not State.DUPLICATE]),
    ),
    max_size=8,
    unique_by=lambda arrival: arrival.delivery_id,
)


@given(ARRIVALS, st.integers(0, 420), st.integers(0, 60), st.randoms())
def test_days_and_order_take_nothing_away(
    arrivals: list[Arrival], day_number: int, later: int, shuffle: Random
) -> None:
    """A period that was fulfilled stays so, one that was missing is never merely expected again, and the order in
    which the ledger gives deliveries does not matter."""
    first = date(2026, 1, 1) + timedelta(days=day_number)
    before = {one.period: one for one in expectations(YEAR, arrivals, first)}
    after = {one.period: one for one in expectations(YEAR, arrivals, first + timedelta(days=later))}
    assert set(before) <= set(after)
    for period, one in before.items():
        assert after[period].fulfilled >= one.fulfilled
        assert not (one.overdue and after[period].status is Status.EXPECTED)
        assert set(one.arrivals) <= set(after[period].arrivals)
    mixed = list(arrivals)
    shuffle.shuffle(mixed)
    assert {one.period: one for one in expectations(YEAR, mixed, first)} == before
