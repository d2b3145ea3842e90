"""What the gate lets through, and each reason for which it stays shut."""

from dataclasses import replace
from datetime import date

import pytest
from tests.support.agreements import AGREEMENT, FEED, approved

from kinbridge.agreement import Agreement, Party, Signature, permit, read_agreements
from kinbridge.contract.odcs import feeds
from kinbridge.errors import KinbridgeError

LATER = replace(AGREEMENT, version="2.0.0", effective=date(2027, 1, 1), expires=date(2028, 12, 31))


def refusal(day: date, *agreements: Agreement, feed: str = FEED) -> KinbridgeError:
    with pytest.raises(KinbridgeError) as caught:
        permit(feed, day, agreements, approved(*agreements))
    return caught.value


@pytest.mark.parametrize("day", [date(2025, 1, 1), date(2025, 7, 4), date(2026, 12, 31)])
def test_in_force_from_the_first_day_to_the_last(day: date) -> None:
    allowed = permit(FEED, day, [AGREEMENT], approved(AGREEMENT))
    assert allowed.columns == {"member_id", "dob"}
    assert (allowed.agreement_id, allowed.version, allowed.expires) == ("dsa-medicaid", "1.0.0", date(2026, 12, 31))


def test_no_agreement_names_the_feed() -> None:
    assert refusal(date(2026, 1, 1)).code == "KB-A01"
    assert refusal(date(2026, 1, 1), AGREEMENT, feed="medicaid/claims_v1").code == "KB-A01"


def test_nobody_can_give_what_is_another_partners() -> None:
    stranger = replace(AGREEMENT, contributor=Party("snap", "SNAP"))
    assert refusal(date(2026, 1, 1), stranger).code == "KB-A01"


def test_not_yet_in_force_names_the_first_day() -> None:
    error = refusal(date(2024, 12, 31), AGREEMENT)
    assert error.code == "KB-A02"
    assert error.facts["effective"] == "2025-01-01"


def test_expired_names_the_last_day() -> None:
    error = refusal(date(2027, 1, 1), AGREEMENT)
    assert error.code == "KB-A03"
    assert error.facts["expires"] == "2026-12-31"


def test_between_an_expired_and_a_future_agreement_people_wait_for_the_future_one() -> None:
    gap = replace(LATER, effective=date(2027, 3, 1))
    error = refusal(date(2027, 2, 1), AGREEMENT, gap)
    assert (error.code, error.facts["version"]) == ("KB-A02", "2.0.0")


@pytest.mark.parametrize(
    "signatures",
    [
        (),
        AGREEMENT.signatures[:1],
        (AGREEMENT.signatures[0], replace(AGREEMENT.signatures[1], signed=None)),
        (AGREEMENT.signatures[0], replace(AGREEMENT.signatures[1], party="somebody")),
    ],
    ids=["none", "one party only", "wanted", "by no party"],
)
def test_a_missing_signature_names_the_party(signatures: tuple[Signature, ...]) -> None:
    error = refusal(date(2026, 1, 1), replace(AGREEMENT, signatures=signatures))
    assert error.code == "KB-A04"
    assert "Data Office" in error.facts["parties"]
    assert ("Medicaid Agency" in error.facts["parties"]) == (not signatures)


def test_a_signature_counts_from_its_day() -> None:
    late = replace(AGREEMENT.signatures[1], signed=date(2025, 2, 10))
    agreement = replace(AGREEMENT, signatures=(AGREEMENT.signatures[0], late))
    assert refusal(date(2025, 2, 9), agreement).code == "KB-A04"
    assert permit(FEED, date(2025, 2, 10), [agreement], approved(agreement)).version == "1.0.0"


def test_renewal_takes_over_on_its_first_day() -> None:
    assert permit(FEED, date(2026, 12, 31), [LATER, AGREEMENT], approved(LATER, AGREEMENT)).version == "1.0.0"
    assert permit(FEED, date(2027, 1, 1), [LATER, AGREEMENT], approved(LATER, AGREEMENT)).version == "2.0.0"


def test_two_in_force_are_not_chosen_between_but_an_unsigned_one_does_not_count() -> None:
    wider = replace(LATER, effective=date(2026, 1, 1))
    error = refusal(date(2026, 6, 1), AGREEMENT, wider)
    assert error.code == "KB-A05"
    assert "1.0.0" in str(error)
    assert "2.0.0" in str(error)
    draft = replace(wider, signatures=())
    assert permit(FEED, date(2026, 6, 1), [AGREEMENT, draft], approved(AGREEMENT, draft)).version == "1.0.0"


def test_our_own_agreements_allow_every_feed_but_not_what_they_leave_out() -> None:
    agreements = read_agreements()
    left_out = {
        feed.id: {c.name for c in feed.columns}
        - permit(feed.id, date(2026, 6, 30), agreements, approved(*agreements)).columns
        for feed in feeds().values()
        if feed.partner in {"home_visiting", "medicaid", "snap", "early_intervention"}
    }
    assert left_out == {
        "early_intervention/services_v1": {
            "parent_first_name",
            "parent_last_name",
            "parent_phone",
            "eligibility_diagnosis",
        },
        "home_visiting/enrollments_v1": {"case_notes"},
        "home_visiting/referrals_v1": {"referral_notes"},
        "home_visiting/visits_v1": {"visitor_name"},
        "medicaid/eligibility_v1": {"monthly_income", "diagnosis_cd"},
        "snap/participation_v1": {"household_size", "benefit_amount"},
    }
