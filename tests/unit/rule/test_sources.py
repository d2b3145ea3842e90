"""Which agreements and clauses bind: versions, roles, several release agreements, named laws, use cases, columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from tests.support.grounds import agreement, grounds, release_agreement, winners

from kinbridge.agreement.model import Linkage, Redisclosure, Signature
from kinbridge.law.demand import Kind
from kinbridge.law.model import Law, Laws
from kinbridge.law.reader import read_laws
from kinbridge.rule.effective import feeds_of_element, for_feed, for_program, for_publication, for_release, for_use_case
from kinbridge.rule.grounds import read_grounds
from kinbridge.settings import home
from kinbridge.use_case.model import ConsentNeed, UseCase

DAY = date(2026, 11, 2)
MEDICAID, EARLY, REFERRALS = "medicaid/eligibility_v1", "early_intervention/services_v1", "home_visiting/referrals_v1"


def test_an_amendment_binds_in_place_of_what_it_replaced() -> None:
    first = agreement(MEDICAID, small_cell_minimum=25)
    second = replace(
        first, version="1.1.0", amends="1.0.0", small_cell_minimum=15, effective=date(2026, 6, 1), digest="second"
    )
    declared = grounds(first, second)
    assert for_publication([MEDICAID], date(2026, 5, 31), declared).minimum_cell == 25
    assert for_publication([MEDICAID], date(2026, 6, 1), declared).minimum_cell == 15


def test_what_is_not_signed_or_has_not_begun_binds_nothing() -> None:
    unsigned = agreement(MEDICAID, small_cell_minimum=25, signatures=(Signature("medicaid", "A", "T", "U", None),))
    later = agreement(MEDICAID, small_cell_minimum=25, effective=date(2026, 12, 1))
    for declared in (grounds(unsigned), grounds(later)):
        assert for_publication([MEDICAID], DAY, declared).minimum_cell == 11
        assert for_feed(MEDICAID, DAY, declared, actions=["link"]).linkage == "forbidden"


def test_nobody_can_agree_for_another() -> None:
    foreign = replace(agreement("snap/participation_v1"), feeds={MEDICAID: frozenset({"a"})}, small_cell_minimum=2)
    assert for_feed(MEDICAID, DAY, grounds(foreign)).linkage == "forbidden"


def test_an_agreement_may_bar_linkage() -> None:
    barred = agreement(MEDICAID, linkage=Linkage(allowed=False))
    rule = for_feed(MEDICAID, DAY, grounds(barred), actions=["link"])
    assert (rule.linkage, winners(rule, Kind.LINKAGE)) == ("forbidden", {"dsa-medicaid 1.0.0/linkage.allowed"})


def only(clause_of: str, **scope: object) -> Laws:
    """The real laws, with one clause meant for something else."""
    laws = read_laws()
    changed: list[Law] = []
    for law in laws.laws:
        clauses = tuple(
            replace(one, scope=replace(one.scope, **scope)) if f"{law.id}/{one.id}" == clause_of else one  # type: ignore[arg-type]
            for one in law.clauses
        )
        changed.append(replace(law, clauses=clauses))
    return replace(laws, laws=tuple(changed))


def test_a_clause_for_one_role_binds_it_and_whoever_has_no_known_role() -> None:
    laws = only("jefferson/extracts", roles=frozenset({"public"}))
    given = agreement(MEDICAID, redisclosure=Redisclosure(("university",)))
    basis = ("45 CFR 164.514(e)", "42 CFR 431.302")
    known = grounds(given, release_agreement("university", *basis), laws=laws)
    unknown = grounds(given, release_agreement("university", *basis, role=""), laws=laws)
    assert for_release([], [MEDICAID], "university", DAY, known).geography == "zip5"
    assert for_release([], [MEDICAID], "university", DAY, unknown).geography == "county"


def test_of_several_release_agreements_none_can_be_stood_on() -> None:
    first = release_agreement("university", "45 CFR 164.514(e)")
    second = replace(release_agreement("university", "45 CFR 164.514(e)"), id="dra-other", digest="other")
    declared = grounds(agreement(MEDICAID), first, second)
    assert for_release([], [MEDICAID], "university", DAY, declared).dates == "year"
    assert for_release([], [MEDICAID], "university", DAY, declared, agreement=first).dates == "exact"


def test_a_release_agreement_that_names_a_law_is_bound_by_it() -> None:
    declared = grounds(agreement(MEDICAID), release_agreement("university", laws=("part_2",)))
    rule = for_release([], [MEDICAID], "university", DAY, declared)
    assert "the notice of 42 CFR 2.32(a)" in rule.notice


def test_a_law_that_is_named_binds_by_all_its_clauses_even_if_it_governs_no_class() -> None:
    laws = read_laws()
    ungoverned = replace(
        laws, laws=tuple(replace(law, governs=frozenset()) if law.id == "part_2" else law for law in laws.laws)
    )
    declared = grounds(agreement(MEDICAID, laws=("part_2",)), laws=ungoverned)
    rule = for_feed(MEDICAID, DAY, declared, actions=["link"])
    assert winners(rule, Kind.CONSENT) == {"part_2/written_consent"}


def test_a_column_may_have_more_classes_than_its_feed() -> None:
    declared = grounds(agreement(REFERRALS))
    assert for_feed(REFERRALS, DAY, declared, actions=["release"]).dates == "exact"
    assert for_feed(REFERRALS, DAY, declared, actions=["release"], column="referral_reason").dates == "year"


def test_a_program_has_the_rule_of_its_classes_whichever_feed_brings_it() -> None:
    assert for_program("wic", grounds(), actions=["release"]).minimum_cell == 20
    assert for_program("nothing_known", grounds(), actions=["release"]).recipients == frozenset()


def test_a_use_case_may_ask_for_more_consent_than_any_agreement() -> None:
    asked = UseCase("reach", "?", "approved", ("person.sex",), (), Path("reach.yaml"), consent=ConsentNeed("opt_in"))
    declared = grounds(agreement(MEDICAID))
    rule = for_use_case(asked.elements, [MEDICAID], DAY, declared, actions=["publish"], use_case=asked)
    assert (rule.consent, winners(rule, Kind.CONSENT)) == ("opt_in", {"reach/consent.rule"})


def test_the_feeds_of_an_element_are_those_whose_transforms_fill_its_table() -> None:
    assert feeds_of_element("early_intervention.plan_date") == (EARLY,)
    assert MEDICAID in feeds_of_element("person.birth_date")
    assert set(feeds_of_element("supplementary_record.content")) >= {MEDICAID, EARLY}


def test_the_offices_own_minimum_is_a_demand_with_its_line() -> None:
    rule = for_publication([], DAY, read_grounds())
    [won] = rule.won(Kind.MINIMUM_CELL)
    lines = (home() / "include" / "sql" / "parameters.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[won.line - 1] == f"minimum_cell: {rule.minimum_cell}"
    assert won.place == f"include/sql/parameters.yaml:{won.line}"
