"""Which endings are warned of, when, and what silences a warning."""

from datetime import date, timedelta

import pytest
from tests.support.agreements import AGREEMENT, FEED, approved, decided, memorandum, version

from kinbridge.agreement.expiry import ENDED, EXPIRING, Expiry, expiry_mail, warnings
from kinbridge.agreement.model import Agreement
from kinbridge.decision.approvals import Approvals
from kinbridge.notice.message import Addresses

LAST = AGREEMENT.expires
ADDRESSES = Addresses("Medicaid Agency", ("desk@example.org",), "office@example.org", "Desk, Office")


def at(days: int, *agreements: Agreement, approvals: Approvals | None = None) -> list[Expiry]:
    """What is told so many days before the last day."""
    everything = agreements or (AGREEMENT,)
    return warnings(everything, approvals or approved(*everything), LAST - timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "step"), [(90, 90), (89, 90), (31, 90), (30, 30), (8, 30), (7, 7), (1, 7), (0, 7), (-1, 0), (-62, 0)]
)
def test_a_warning_is_that_of_the_nearest_step(days: int, step: int) -> None:
    [found] = at(days)
    assert (found.step, found.what, found.stops) == (step, EXPIRING if step else ENDED, (FEED,))
    assert (found.partners, str(found.clause)) == (
        ("medicaid",),
        "dsa-medicaid 1.0.0, expires (include/agreements/medicaid.yaml:21)",
    )


@pytest.mark.parametrize("days", [91, 400, -63])
def test_nothing_is_told_long_before_or_long_after(days: int) -> None:
    assert at(days) == []


def test_what_is_not_in_force_is_not_warned_of() -> None:
    assert at(30, approvals=Approvals()) == []


@pytest.mark.parametrize("days", [30, -3])
def test_a_renewal_silences_it_once_it_is_signed_and_approved(days: int) -> None:
    renewal = version("2.0.0", effective=LAST + timedelta(days=1), expires=LAST + timedelta(days=700))
    assert at(days, AGREEMENT, renewal) == []
    assert len(at(days, AGREEMENT, version("2.0.0", effective=renewal.effective, signatures=()))) == 1
    assert len(at(days, AGREEMENT, renewal, approvals=approved(AGREEMENT))) == 1


def test_an_amendment_that_leaves_a_feed_out_is_no_renewal_of_it() -> None:
    narrower = version(
        "1.1.0", amends="1.0.0", effective=LAST, expires=date(2030, 1, 1), feeds={"medicaid/x_v1": {"a"}}
    )
    assert [one.agreement for one in at(30, AGREEMENT, narrower)] == ["dsa-medicaid"]


def test_a_renewal_that_begins_later_leaves_a_gap_that_is_told() -> None:
    late = version("2.0.0", effective=LAST + timedelta(days=40), expires=LAST + timedelta(days=700))
    assert len(at(10, AGREEMENT, late)) == 1
    assert len(at(-39, AGREEMENT, late)) == 1
    assert at(-40, AGREEMENT, late) == []


def test_a_memorandum_is_warned_of_to_every_contributor() -> None:
    one = memorandum()
    [found] = warnings([one], Approvals((decided(one),)), LAST)
    assert found.stops == ("what stands under mou",)


def test_the_mail_names_what_stops_and_the_clause() -> None:
    [found] = at(30)
    mail = expiry_mail(found, "medicaid", ADDRESSES, LAST - timedelta(days=30))
    assert mail.subject == "Agreement dsa-medicaid 1.0.0 ends on 2026-12-31"
    for said in ("30 days from now", f"- {FEED}", "medicaid.yaml:21", "Desk, Office"):
        assert said in mail.body
    [over] = at(-1)
    later = expiry_mail(over, "medicaid", ADDRESSES, LAST + timedelta(days=1))
    assert "has ended" in later.subject
    assert later.message_id != mail.message_id
