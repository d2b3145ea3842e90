"""When an agreement opens the gate.

An agreement is in force on a day when the day lies within its dates, everybody who must sign has signed with an
authority, its text is the one that was approved, the memorandum under which it stands is in force, and no amendment has
replaced it. Otherwise nothing of the feed is read, and the refusal names the clause. Of two agreements in force that do
not amend each other, none is chosen. Nobody can give what is another's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.support.agreements import AGREEMENT, FEED, LONG_AGO, OFFICE, USE_CASE, approved, decided, memorandum, version

from kinbridge.agreement.comparable import shared_uses, why_not_compared
from kinbridge.agreement.gate import Permit, permit
from kinbridge.agreement.model import (
    Agreement,
    AgreementKind,
    Linkage,
    Party,
    Redisclosure,
    Retention,
    Signature,
    Transmission,
)
from kinbridge.agreement.uses import ReleasePermit, Uses, release_permit, uses
from kinbridge.decision.approvals import Approvals, Decided
from kinbridge.errors import KinbridgeError

DAY = date(2026, 6, 1)
SNAP = "snap/participation_v1"


def allowed(*agreements: Agreement, day: date = DAY, approvals: Approvals | None = None, feed: str = FEED) -> Permit:
    return permit(feed, day, agreements, approvals or approved(*agreements))


def refusal(*agreements: Agreement, day: date = DAY, approvals: Approvals | None = None, feed: str = FEED) -> str:
    """The code of the refusal; its text names a clause by file and line, or there is no agreement at all."""
    with pytest.raises(KinbridgeError) as caught:
        allowed(*agreements, day=day, approvals=approvals, feed=feed)
    assert caught.value.code == "KB-A01" or ".yaml:" in str(caught.value), str(caught.value)
    return f"{caught.value.code} {caught.value.facts.get('clause', caught.value.facts.get('agreements', ''))}"


def named(code: str, clause: str, line: int, name: str = "dsa-medicaid 1.0.0") -> str:
    return f"{code} {name}, {clause} (include/agreements/medicaid.yaml:{line})"


# Dates


@pytest.mark.case(38)
def test_an_agreement_is_in_force_from_its_first_day_to_its_last() -> None:
    for day in (date(2025, 1, 1), DAY, date(2026, 12, 31)):
        assert allowed(AGREEMENT, day=day).columns == {"member_id", "dob"}


@pytest.mark.case(38)
def test_before_its_first_day_it_is_refused_by_that_clause() -> None:
    assert refusal(AGREEMENT, day=date(2024, 12, 31)) == named("KB-A02", "effective", 20)


@pytest.mark.case(38)
def test_after_its_last_day_it_is_refused_by_that_clause() -> None:
    assert refusal(AGREEMENT, day=date(2027, 1, 1)) == named("KB-A03", "expires", 21)


# Signatures


def test_every_party_that_must_sign_has_to_have_signed() -> None:
    carrier = Party("carrier", "State Data Hub", "intermediary")
    assert refusal(replace(AGREEMENT, others=(carrier,))) == named("KB-A04", "signatures", 22)
    signature = Signature("carrier", "C", "Head", "statute", LONG_AGO)
    signed = replace(AGREEMENT, others=(carrier,), signatures=(*AGREEMENT.signatures, signature))
    assert allowed(signed).version == "1.0.0"
    # One that is named, and binds itself elsewhere, need not.
    assert allowed(replace(AGREEMENT, others=(replace(carrier, signs=False),))).version == "1.0.0"


def test_a_signature_without_an_authority_does_not_count() -> None:
    blank = replace(AGREEMENT.signatures[1], authority=" ")
    assert refusal(replace(AGREEMENT, signatures=(AGREEMENT.signatures[0], blank))).startswith("KB-A04")


def test_a_signature_does_not_count_before_its_day() -> None:
    later = replace(AGREEMENT.signatures[1], signed=date(2026, 6, 2))
    agreement = replace(AGREEMENT, signatures=(AGREEMENT.signatures[0], later))
    assert refusal(agreement).startswith("KB-A04")
    assert allowed(agreement, day=date(2026, 6, 2)).version == "1.0.0"


# Approval


def test_without_a_decision_signatures_open_nothing() -> None:
    assert refusal(AGREEMENT, approvals=Approvals()) == named("KB-A07", "version", 2)


def test_a_decision_on_another_version_or_in_which_the_contributor_took_no_part_is_none() -> None:
    assert refusal(AGREEMENT, approvals=approved(version("2.0.0"))).startswith("KB-A07")
    without = Approvals((decided(AGREEMENT, partners=frozenset()),))
    assert refusal(AGREEMENT, approvals=without).startswith("KB-A07")


def test_a_decision_counts_from_its_effective_day() -> None:
    approvals = Approvals((decided(AGREEMENT, effective=date(2026, 6, 2)),))
    assert refusal(AGREEMENT, approvals=approvals).startswith("KB-A07")
    assert allowed(AGREEMENT, day=date(2026, 6, 2), approvals=approvals).version == "1.0.0"


def test_a_text_that_was_changed_after_the_decision_is_not_what_was_approved() -> None:
    assert refusal(replace(AGREEMENT, digest="another text"), approvals=approved(AGREEMENT)).startswith("KB-A08")


def test_what_was_rejected_stays_shut() -> None:
    assert refusal(AGREEMENT, approvals=Approvals((decided(AGREEMENT, approved=False),))).startswith("KB-A16")


def test_an_element_that_a_decision_rejected_is_not_read_though_the_agreement_lists_it() -> None:
    no = Decided("element", f"{FEED}.dob", "", "", False, LONG_AGO, LONG_AGO, "minutes.yaml:1")
    approvals = Approvals((*approved(AGREEMENT).decisions, no))
    assert allowed(AGREEMENT, approvals=approvals).columns == {"member_id"}


# The memorandum


def test_an_agreement_under_a_memorandum_is_in_force_only_while_the_memorandum_is() -> None:
    under = replace(AGREEMENT, under="mou")
    assert refusal(under).startswith("KB-A09")
    assert allowed(under, memorandum()).version == "1.0.0"
    for broken in (
        memorandum(expires=date(2026, 5, 31)),
        memorandum(signatures=()),
        memorandum(effective=date(2026, 6, 2)),
        memorandum(kind=AgreementKind.DATA_USE),
    ):
        assert refusal(under, broken).startswith("KB-A09")
    assert refusal(under, memorandum(), approvals=approved(under)).startswith("KB-A09")


def test_a_memorandum_speaks_only_for_its_parties() -> None:
    stranger = memorandum(contributor=Party("snap", "SNAP"), digest="stranger")
    signatures = (replace(AGREEMENT.signatures[0], party="snap"), AGREEMENT.signatures[1])
    assert refusal(replace(AGREEMENT, under="mou"), replace(stranger, signatures=signatures)).startswith("KB-A09")


def test_a_memorandum_by_itself_lets_nothing_in() -> None:
    assert refusal(memorandum(feeds={FEED: frozenset({"dob"})})).startswith("KB-A")


# Amendments

AMENDMENT = version("1.1.0", amends="1.0.0", effective=DAY, feeds={FEED: frozenset({"member_id"})})


@pytest.mark.case(38)
def test_an_amendment_takes_over_on_its_first_day_and_what_it_leaves_out_is_read_no_more() -> None:
    before = allowed(AGREEMENT, AMENDMENT, day=date(2026, 5, 31))
    after = allowed(AGREEMENT, AMENDMENT, day=DAY)
    assert (before.version, before.columns) == ("1.0.0", {"member_id", "dob"})
    assert (after.version, after.columns) == ("1.1.0", {"member_id"})


@pytest.mark.parametrize("short", ["unsigned", "unapproved", "rejected"])
def test_until_an_amendment_is_signed_and_approved_the_old_version_goes_on(short: str) -> None:
    amendment = replace(AMENDMENT, signatures=()) if short == "unsigned" else AMENDMENT
    decisions = [decided(AGREEMENT)]
    if short != "unapproved":
        decisions.append(decided(amendment, approved=short != "rejected"))
    assert allowed(AGREEMENT, amendment, approvals=Approvals(tuple(decisions))).version == "1.0.0"


def test_what_an_amendment_replaced_never_comes_back() -> None:
    brief = replace(AMENDMENT, expires=date(2026, 7, 1))
    assert refusal(AGREEMENT, brief, day=date(2026, 7, 2)).startswith("KB-A03 dsa-medicaid 1.1.0")
    changed = replace(AMENDMENT, digest="somebody's wider text", feeds=AGREEMENT.feeds)
    assert refusal(AGREEMENT, changed, approvals=approved(AGREEMENT, AMENDMENT)).startswith("KB-A08")
    rejected = decided(AMENDMENT, approved=False, decided_on=date(2026, 6, 20), effective=date(2026, 6, 20))
    since = Approvals((*approved(AGREEMENT, AMENDMENT).decisions, rejected))
    assert allowed(AGREEMENT, AMENDMENT, day=date(2026, 6, 19), approvals=since).version == "1.1.0"
    assert refusal(AGREEMENT, AMENDMENT, day=date(2026, 6, 20), approvals=since).startswith("KB-A16 dsa-medicaid 1.1.0")


def test_an_amendment_of_an_amendment_replaces_both() -> None:
    third = version("1.2.0", amends="1.1.0", effective=DAY)
    assert allowed(AGREEMENT, AMENDMENT, third).version == "1.2.0"
    # Also where the one between never was signed.
    assert allowed(AGREEMENT, replace(AMENDMENT, signatures=()), third).version == "1.2.0"


def test_a_feed_that_an_amendment_leaves_out_is_refused_by_the_amendment() -> None:
    other = replace(AMENDMENT, feeds={"medicaid/claims_v1": frozenset({"a"})})
    assert refusal(AGREEMENT, other).startswith("KB-A10 dsa-medicaid 1.1.0, amends")


def test_versions_that_amend_each_other_in_a_circle_open_nothing() -> None:
    assert refusal(replace(AGREEMENT, amends="1.1.0"), replace(AMENDMENT, effective=AGREEMENT.effective))


# Conflicts, and whose data they are


@pytest.mark.case(38)
def test_of_two_in_force_that_do_not_amend_each_other_none_is_chosen() -> None:
    wider = replace(version("9.0.0"), id="dsa-other", feeds={FEED: frozenset({"member_id", "dob", "ssn"})})
    said = refusal(AGREEMENT, wider)
    assert said.startswith("KB-A05")
    assert "dsa-medicaid 1.0.0" in said
    assert "dsa-other 9.0.0" in said
    assert refusal(AGREEMENT, version("2.0.0")).startswith("KB-A05")


@pytest.mark.case(38)
def test_nobody_can_give_what_is_anothers() -> None:
    snap = replace(AGREEMENT, contributor=Party("snap", "SNAP"))
    assert refusal(snap, approvals=approved(AGREEMENT, snap)).startswith("KB-A01")


# What data may be used for


def answer(*agreements: Agreement, approvals: Approvals | None = None, use_case: str = "approved") -> Uses:
    purpose = replace(USE_CASE, status=use_case)
    return uses(DAY, agreements, [purpose], approvals or approved(*agreements, purpose))


SECOND = replace(
    AGREEMENT,
    id="dsa-snap",
    contributor=Party("snap", "SNAP"),
    feeds={SNAP: frozenset({"dob"})},
    signatures=(replace(AGREEMENT.signatures[0], party="snap"), AGREEMENT.signatures[1]),
    digest="snap",
)


def test_a_use_case_is_served_by_the_feeds_whose_agreements_in_force_name_it() -> None:
    found = answer(AGREEMENT, SECOND)
    assert set(found.feeds_of("counts")) == {FEED, SNAP}
    assert found.columns_of("counts", SNAP) == {"dob"}
    assert found.linkable() == {FEED, SNAP}


@pytest.mark.parametrize("status", ["proposed", "retired"])
def test_a_use_case_that_is_not_approved_is_served_by_nobody(status: str) -> None:
    found = answer(AGREEMENT, use_case=status)
    assert found.feeds_of("counts") == {}
    assert found.linkable() == frozenset()
    error = found.why_not(FEED, "counts")
    assert error is not None
    assert (error.code, error.facts["state"]) == ("KB-A11", status)


def test_a_use_case_without_a_decision_on_its_text_is_served_by_nobody() -> None:
    found = answer(AGREEMENT, approvals=approved(AGREEMENT))
    assert found.approved() == ()
    assert found.linkable() == frozenset()


def test_data_given_for_one_purpose_serve_no_other() -> None:
    found = answer(AGREEMENT, replace(SECOND, use_cases=("other",)))
    assert set(found.feeds_of("counts")) == {FEED}
    assert found.columns_of("counts", SNAP) == frozenset()
    error = found.why_not(SNAP, "counts")
    assert error is not None
    assert error.code == "KB-A12"
    assert SNAP not in found.linkable()


def test_a_feed_without_an_agreement_in_force_serves_nothing_and_the_refusal_is_the_gates() -> None:
    found = answer(AGREEMENT, replace(SECOND, expires=date(2026, 5, 31)))
    error = found.why_not_linked(SNAP)
    assert error is not None
    assert error.code == "KB-A03"


@pytest.mark.parametrize("terms", [Linkage(allowed=False), Linkage(use_cases=("other",))])
def test_a_feed_that_is_barred_from_linking_is_left_out_by_that_clause(terms: Linkage) -> None:
    found = answer(AGREEMENT, replace(SECOND, linkage=terms))
    assert found.linkable() == {FEED}
    error = found.why_not_linked(SNAP)
    assert error is not None
    assert error.code == "KB-A13"
    assert "linkage" in error.facts["clause"]


@pytest.mark.parametrize("order", [1, -1])
def test_two_feeds_that_one_agreement_keeps_apart_are_not_compared_and_others_are(order: int) -> None:
    """Whichever of the two says it, and whichever is asked about first."""
    kept = replace(SECOND, linkage=Linkage(not_with=(FEED,)), lines={(): 1, ("linkage", "not_with", 0): 33})
    third = replace(
        SECOND,
        id="dsa-wic",
        contributor=Party("wic", "WIC"),
        feeds={"wic/visits_v1": frozenset({"id"})},
        signatures=(replace(AGREEMENT.signatures[0], party="wic"), AGREEMENT.signatures[1]),
        digest="wic",
    )
    found = answer(AGREEMENT, kept, third)
    assert found.linkable() == {FEED, SNAP, "wic/visits_v1"}
    error = why_not_compared(found, *(FEED, SNAP)[::order])
    assert error is not None
    assert (error.code, error.facts["clause"]) == (
        "KB-A13",
        "dsa-snap 1.0.0, linkage.not_with.0 (include/agreements/medicaid.yaml:33)",
    )
    assert why_not_compared(found, FEED, "wic/visits_v1") is None
    assert why_not_compared(found, SNAP, "wic/visits_v1") is None


def test_feeds_that_serve_no_use_case_together_are_not_compared() -> None:
    other = replace(USE_CASE, id="other", digest="other")
    agreements = AGREEMENT, replace(SECOND, use_cases=("other",))
    found = uses(DAY, agreements, [USE_CASE, other], approved(*agreements, USE_CASE, other))
    assert found.linkable() == {FEED, SNAP}
    error = why_not_compared(found, FEED, SNAP)
    assert error is not None
    assert error.code == "KB-A22"
    assert "dsa-medicaid 1.0.0, use_cases" in error.facts["clause"]
    assert "dsa-snap 1.0.0, use_cases" in error.facts["clause"]
    both = AGREEMENT, replace(SECOND, use_cases=("counts", "other"))
    found = uses(DAY, both, [USE_CASE, other], approved(*both, USE_CASE, other))
    assert list(shared_uses(found, FEED, SNAP)) == ["counts"]
    limited = AGREEMENT, replace(both[1], linkage=Linkage(use_cases=("other",)))
    found = uses(DAY, limited, [USE_CASE, other], approved(*limited, USE_CASE, other))
    assert why_not_compared(found, FEED, SNAP) is not None, "linked for another purpose only"
    assert "snap" in str(found.feeds_of("counts")), "served all the same"


def test_feeds_of_one_partner_are_compared_under_its_own_agreement() -> None:
    second = "medicaid/claims_v1"
    other = replace(USE_CASE, id="other", digest="other")
    claims = replace(AGREEMENT, id="dsa-claims", feeds={second: frozenset({"id"})}, use_cases=("other",), digest="c")
    found = uses(DAY, [AGREEMENT, claims], [USE_CASE, other], approved(AGREEMENT, claims, USE_CASE, other))
    assert why_not_compared(found, FEED, second) is None


# What may leave

RELEASE = replace(
    AGREEMENT,
    id="dra-university",
    kind=AgreementKind.RELEASE,
    contributor=OFFICE,
    recipient=Party("university", "University"),
    feeds={},
    releases={"counts": ("person.birth_month",)},
    signatures=(replace(AGREEMENT.signatures[0], party="university"), AGREEMENT.signatures[1]),
    transmission=Transmission("sftp", ("AB" * 20,), "releases"),
    retention=Retention(releases_days=365),
    small_cell_minimum=5,
    digest="release",
)
GIVING = replace(
    AGREEMENT, redisclosure=Redisclosure(("university",)), retention=Retention(releases_days=100), digest="giving"
)


def release(*agreements: Agreement, recipient: str = "university", approvals: Approvals | None = None) -> ReleasePermit:
    return release_permit(
        recipient, "counts", DAY, agreements, [USE_CASE], approvals or approved(*agreements, USE_CASE)
    )


def test_a_release_has_the_feeds_whose_agreements_allow_it_to_this_recipient_and_the_strictest_terms() -> None:
    found = release(RELEASE, GIVING, SECOND)
    assert found.elements == ("person.birth_month",)
    assert (set(found.feeds), set(found.left_out)) == ({FEED}, {SNAP})
    assert found.left_out[SNAP].code == "KB-A15"
    assert (found.small_cell_minimum, found.keep_days, found.encrypted_to) == (11, 100, ("AB" * 20,))
    assert found.clauses["small_cell_minimum"].agreement_id == "dsa-medicaid"


@pytest.mark.parametrize(
    ("agreements", "recipient", "code"),
    [
        ((GIVING,), "university", "KB-A14"),
        ((RELEASE, GIVING), "newspaper", "KB-A14"),
        ((RELEASE, AGREEMENT), "university", "KB-A15"),
        ((replace(RELEASE, expires=date(2026, 5, 31)), GIVING), "university", "KB-A03"),
        ((replace(RELEASE, signatures=()), GIVING), "university", "KB-A04"),
        ((RELEASE, replace(GIVING, use_cases=("other",))), "university", "KB-A14"),
    ],
)
def test_nothing_leaves_without_an_agreement_with_the_recipient_and_one_with_the_contributor(
    agreements: tuple[Agreement, ...], recipient: str, code: str
) -> None:
    with pytest.raises(KinbridgeError) as caught:
        release(*agreements, recipient=recipient)
    assert caught.value.code == code


def test_nothing_leaves_for_a_use_case_that_is_not_approved() -> None:
    with pytest.raises(KinbridgeError, match="KB-A11"):
        release(RELEASE, GIVING, approvals=approved(RELEASE, GIVING))
