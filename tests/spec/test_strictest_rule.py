"""Policy: the strictest rule wins.

What holds for data is the meet of all that binds them: laws by class of data, agreements, and the office's own
minimum. Every demand names the clause that won, with file and line. Read with the laws as they stand below
`include/laws`; counsel may change them, and the rule follows. None of this is legal advice.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.support.grounds import agreement, grounds, release_agreement, winners

from kinbridge.agreement.model import Consent, Redisclosure, Retention
from kinbridge.law.demand import ACTIONS, Kind
from kinbridge.law.model import LawClause, Laws
from kinbridge.law.reader import read_laws
from kinbridge.rule.check import check_laws
from kinbridge.rule.effective import for_element, for_feed, for_publication, for_release, for_use_case
from kinbridge.rule.model import Lifted
from kinbridge.rule.sources import Subject, demands_of_laws
from kinbridge.settings import home

DAY = date(2026, 11, 2)
MEDICAID, WIC, EARLY = "medicaid/eligibility_v1", "wic/certifications_v1", "early_intervention/services_v1"
PUPILS = "schools/pupils_v1"
TO_UNIVERSITY = Redisclosure(("university",))


@pytest.fixture
def laws_folder(tmp_path: Path) -> Path:
    """A copy of the laws that a test may change as counsel would."""
    shutil.copytree(home() / "include" / "laws", tmp_path / "laws")
    return tmp_path


def amend(folder: Path, law: str, old: str, new: str) -> Laws:
    """Change one place of one law's file."""
    path = folder / "laws" / f"{law}.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{law}.yaml has {text.count(old)} of {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return read_laws([folder])


def test_an_extract_of_medicaid_and_wic_data_keeps_the_stricter_minimum() -> None:
    medicaid = agreement(MEDICAID, redisclosure=TO_UNIVERSITY)
    wic = agreement(WIC, laws=("wic",), redisclosure=TO_UNIVERSITY)
    declared = grounds(medicaid, wic, release_agreement("university", "42 CFR 431.302"))
    alone = for_release([], [MEDICAID], "university", DAY, declared)
    together = for_release([], [MEDICAID, WIC], "university", DAY, declared)
    assert alone.minimum_cell == 11
    assert "medicaid/cell_size" in winners(alone, Kind.MINIMUM_CELL)
    assert together.minimum_cell == 20
    assert winners(together, Kind.MINIMUM_CELL) == {"jefferson/sensitive_counts"}
    assert "medicaid/cell_size" in {
        f"{d.source.name}/{d.source.clause}" for d in together.outcomes[Kind.MINIMUM_CELL].lost
    }


def test_early_intervention_records_need_consent_where_other_education_records_do_not() -> None:
    """FERPA asks for consent to disclose; Part C asks for it before another use too, and linking is one."""
    declared = grounds(agreement(EARLY), agreement(PUPILS, laws=("ferpa",)))
    part_c = for_feed(EARLY, DAY, declared, actions=["link"])
    ferpa = for_feed(PUPILS, DAY, declared, actions=["link"])
    assert part_c.consent == "written"
    assert winners(part_c, Kind.CONSENT) == {"idea_part_c/consent_to_disclose_or_use"}
    assert ferpa.consent == "not_required"
    assert for_feed(PUPILS, DAY, declared, actions=["release"]).consent == "written"


def test_an_exception_counts_where_the_agreement_in_force_stands_on_it() -> None:
    resting = agreement(EARLY, "34 CFR 99.31(a)(3)")
    rule = for_feed(EARLY, DAY, grounds(resting), actions=["link"])
    assert rule.consent == "not_required"
    [lifted] = rule.lifted
    assert (lifted.source.clause, lifted.citation) == ("consent_to_disclose_or_use", "34 CFR 99.31(a)(3)")
    assert lifted.by.name == "dsa-early_intervention 1.0.0"
    for not_enough in (
        grounds(agreement(EARLY, "34 CFR 99.31(a)")),
        grounds(agreement(EARLY, "34 CFR 99.31(a)(30)")),
        grounds(resting, approved=False),
        grounds(replace(resting, expires=date(2026, 1, 31))),
    ):
        assert for_feed(EARLY, DAY, not_enough, actions=["link"]).consent == "written"


def test_the_exception_by_which_data_came_does_not_let_them_out_again() -> None:
    came = agreement(EARLY, "34 CFR 99.31(a)(3)", redisclosure=TO_UNIVERSITY)
    declared = grounds(came, release_agreement("university"))
    rule = for_release([], [EARLY], "university", DAY, declared)
    assert rule.consent == "written"
    assert "idea_part_c/consent_to_disclose_or_use" in winners(rule, Kind.CONSENT)
    study = grounds(came, release_agreement("university", "34 CFR 99.31(a)(6)", "34 CFR 99.33(b)"))
    assert for_release([], [EARLY], "university", DAY, study).consent == "not_required"


def test_health_records_leave_with_the_year_of_a_date_and_no_place_below_a_state() -> None:
    """Safe harbor: three digits of the ZIP code, years, and ages over 89 pooled, unless another basis is cited."""
    declared = grounds(agreement(MEDICAID, redisclosure=TO_UNIVERSITY), release_agreement("university"))
    rule = for_release(["person.birth_date"], [MEDICAID], "university", DAY, declared)
    assert (rule.dates, rule.geography, rule.age_top_code) == ("year", "zip3", 89)
    assert rule.direct_identifiers == "removed"
    assert winners(rule, Kind.DATES) == {"hipaa/safe_harbor"}
    assert "the recipient's duties under 45 CFR 164.514(e)(4)" not in rule.notice


def test_a_limited_data_set_keeps_its_dates_and_the_states_law_still_holds() -> None:
    """Policy: a limited data set keeps its dates, and the state's own law on places still holds."""
    basis = release_agreement("university", "45 CFR 164.514(e)")
    declared = grounds(agreement(MEDICAID, redisclosure=TO_UNIVERSITY), basis)
    rule = for_release([], [MEDICAID], "university", DAY, declared)
    assert rule.dates == "exact"
    assert (rule.geography, winners(rule, Kind.GEOGRAPHY)) == ("county", {"jefferson/extracts"})
    assert [lifted.source.clause for lifted in rule.lifted] == ["safe_harbor"]
    assert "the recipient's duties under 45 CFR 164.514(e)(4)" in rule.notice


def test_what_has_no_class_of_data_is_given_to_nobody() -> None:
    declared = grounds(agreement("unheard/of_v1", redisclosure=TO_UNIVERSITY), release_agreement("university"))
    rule = for_release([], ["unheard/of_v1"], "university", DAY, declared)
    assert (rule.redisclosure, rule.recipients, rule.consent) == ("none", frozenset(), "written")
    assert winners(rule, Kind.RECIPIENTS) == {"fallback/rows"}
    for law in declared.laws.laws:
        named = grounds(agreement("unheard/of_v1", laws=(law.id,)))
        for action in ("publish", "release"):
            known = for_feed("unheard/of_v1", DAY, named, actions=[action])
            assert for_feed("unheard/of_v1", DAY, declared, actions=[action]).minimum_cell >= known.minimum_cell


def test_an_element_that_nobody_classified_is_given_to_nobody_whichever_feed_brings_it() -> None:
    declared = grounds(agreement(MEDICAID))
    rule = for_use_case(["supplementary_record.content"], [MEDICAID], DAY, declared, actions=["release"])
    assert (rule.redisclosure, rule.recipients) == ("none", frozenset())
    assert for_element("person.sex", DAY, declared, actions=["release"]).recipients != frozenset()


def test_a_law_on_elements_that_no_feed_of_the_release_brings_does_not_bind_it() -> None:
    basis = release_agreement("university", "42 CFR 431.302")
    declared = grounds(agreement(MEDICAID, redisclosure=TO_UNIVERSITY), agreement(EARLY), basis)
    elements = ["program_enrollment.entry_date", "early_intervention.service_start_date"]
    assert for_release(elements, [MEDICAID], "university", DAY, declared).consent == "not_required"
    assert for_release(elements, [MEDICAID, EARLY], "university", DAY, declared).consent == "written"
    assert for_release(elements, [MEDICAID, "unheard/of_v1"], "university", DAY, declared).consent == "written"


def test_an_agreement_that_names_a_law_is_bound_by_it() -> None:
    plain, bound = agreement(MEDICAID), agreement(MEDICAID, laws=("part_2",))
    assert for_feed(MEDICAID, DAY, grounds(plain), actions=["link"]).consent == "not_required"
    rule = for_feed(MEDICAID, DAY, grounds(bound), actions=["link"])
    assert (rule.consent, winners(rule, Kind.CONSENT)) == ("written", {"part_2/written_consent"})


def test_an_agreement_may_ask_for_more_than_any_law() -> None:
    declared = grounds(agreement(MEDICAID, small_cell_minimum=25, consent=Consent("opt_in")), agreement(EARLY))
    rule = for_publication([MEDICAID, EARLY], DAY, declared)
    assert (rule.minimum_cell, winners(rule, Kind.MINIMUM_CELL)) == (25, {"dsa-medicaid 1.0.0/small_cells.minimum"})
    assert (rule.consent, winners(rule, Kind.CONSENT)) == ("opt_in", {"dsa-medicaid 1.0.0/consent.rule"})


def test_no_agreement_asks_for_less_than_the_law_or_the_office() -> None:
    declared = grounds(agreement(MEDICAID, small_cell_minimum=5, retention=Retention(records_months=600)))
    assert for_publication([MEDICAID], DAY, declared).minimum_cell == 11
    assert for_publication([], DAY, declared).minimum_cell == 11
    kept = for_feed(MEDICAID, DAY, declared)
    assert (kept.retention_months, winners(kept, Kind.RETENTION_MONTHS)) == (120, {"jefferson/keeping"})


def test_an_agreement_that_has_run_out_still_binds_what_came_under_it() -> None:
    over = agreement(MEDICAID, small_cell_minimum=25, expires=date(2026, 1, 31))
    assert for_publication([MEDICAID], DAY, grounds(over)).minimum_cell == 25


def test_without_any_agreement_nothing_is_linked_and_nothing_is_given_away() -> None:
    assert for_feed(MEDICAID, DAY, grounds()).linkage == "forbidden"
    rule = for_feed(MEDICAID, DAY, grounds(), actions=["release"])
    assert (rule.redisclosure, rule.named_recipients) == ("none", frozenset())


def test_only_those_whom_every_agreement_names_may_be_given_rows() -> None:
    first = agreement(MEDICAID, redisclosure=Redisclosure(("university", "institute")))
    second = agreement(WIC, laws=("wic",), redisclosure=Redisclosure(("university", "health_office")))
    rule = for_release([], [MEDICAID, WIC], "university", DAY, grounds(first, second))
    assert rule.named_recipients == {"university"}
    assert winners(rule, Kind.NAMED_RECIPIENTS) == {"dsa-medicaid 1.0.0/redisclosure", "dsa-wic 1.0.0/redisclosure"}


def test_when_counsel_tightens_a_clause_the_rule_follows_and_names_it(laws_folder: Path) -> None:
    declared = grounds(agreement(MEDICAID))
    assert for_publication([MEDICAID], DAY, declared).minimum_cell == 11
    tightened = amend(laws_folder, "medicaid", "minimum_cell: 11", "minimum_cell: 30")
    rule = for_publication([MEDICAID], DAY, grounds(agreement(MEDICAID), laws=tightened))
    assert rule.minimum_cell == 30
    [won] = rule.won(Kind.MINIMUM_CELL)
    assert (won.name, won.clause, won.path) == ("medicaid", "cell_size", laws_folder / "laws" / "medicaid.yaml")
    assert won.path.read_text(encoding="utf-8").splitlines()[won.line - 1].strip() == "minimum_cell: 30"


def test_a_law_that_asks_for_more_than_the_fallback_is_told_at_once(laws_folder: Path) -> None:
    amend(laws_folder, "medicaid", "minimum_cell: 11", "minimum_cell: 30")
    problems = [problem for problem in check_laws({}, [laws_folder]) if problem.code == "KB-J17"]
    assert {problem.text.split(": ")[0] for problem in problems} == {"the fallback is looser than medicaid/cell_size"}


def of_laws(laws: Laws, clause: LawClause, action: str) -> list[object]:
    """Everything the laws say of data for which the clause is meant, with the basis that it asks for."""
    standing_on = (agreement(MEDICAID, *clause.scope.where_cited),)
    subject = Subject("data", action, clause.scope.classes, standing_on=standing_on)
    return [entry for entry in demands_of_laws(laws, subject) if not isinstance(entry, Lifted)]


@pytest.mark.parametrize("law", read_laws().laws, ids=lambda law: law.id)
def test_no_clause_can_be_taken_out_unnoticed(law: object) -> None:
    """Policy: no clause of any law can be taken out without a rule that changes."""
    laws = read_laws()
    own = laws.by_id[law.id]  # type: ignore[attr-defined]
    for clause in own.clauses:
        rest = replace(own, clauses=tuple(one for one in own.clauses if one != clause))
        without = replace(laws, laws=tuple(rest if one.id == own.id else one for one in laws.laws))
        for action in clause.scope.actions & set(ACTIONS):
            before, after = of_laws(laws, clause, action), of_laws(without, clause, action)
            assert len(after) == len(before) - len(clause.demands), clause.id
