"""Gates that are open for given feeds, for tests of what lies behind them; and gates as a test wants them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date

from kinbridge.consent.form import Form
from kinbridge.consent.gates import Gates, Served
from kinbridge.consent.ladder import Rule
from kinbridge.standards import code_set

OUTPUTS = {
    "unduplicated_counts": ("children_served",),
    "who_and_where": ("children_by_characteristic",),
    "referral_outcomes": ("referral_outcomes",),
}
FEEDS = (
    "early_intervention/services_v1",
    "home_visiting/enrollments_v1",
    "home_visiting/referrals_v1",
    "home_visiting/visits_v1",
    "medicaid/eligibility_v1",
    "snap/participation_v1",
)
TODAY = date(2026, 11, 2)


def open_gates(
    feeds: Collection[str] = FEEDS,
    *,
    day: date = TODAY,
    rules: Mapping[str, str] | None = None,
    forms: Iterable[Form] = (),
    form: str = "",
) -> Gates:
    """Every feed serves every use case. `rules` are consent rules by partner; without one nobody has to be asked."""
    served = {
        name: Served(name, outputs, {feed: f"dsa-{feed}, use_cases" for feed in feeds})
        for name, outputs in OUTPUTS.items()
    }
    asked = [
        Rule(name, feed, (rules or {}).get(feed.split("/")[0], "not_required"), form, f"dsa-{feed}, consent")
        for name in OUTPUTS
        for feed in feeds
    ]
    return Gates(day, frozenset(feeds), served, tuple(sorted(asked)), tuple(forms), tuple(code_set("program").codes))


def barred_from(gates: Gates, use_case: str, feed: str, clause: str = "the clause") -> Gates:
    """The same, but the feed may not serve the use case."""
    served = dict(gates.served)
    one = served[use_case]
    permitted = {name: why for name, why in one.permitted.items() if name != feed}
    served[use_case] = replace(one, permitted=permitted, barred={**one.barred, feed: clause})
    rules = tuple(rule for rule in gates.rules if (rule.use_case, rule.feed) != (use_case, feed))
    return replace(gates, served=served, rules=rules)


def without_agreement(gates: Gates, feed: str, clause: str = "the clause") -> Gates:
    """The same without any agreement over the feed."""
    for use_case in gates.served:
        gates = barred_from(gates, use_case, feed, clause)
    return replace(gates, linkable=gates.linkable - {feed}, unlinkable={**gates.unlinkable, feed: clause})


def refused(gates: Gates, use_case: str, clause: str = "the clause") -> Gates:
    """The same, but the use case is not approved."""
    one = replace(gates.served[use_case], permitted={}, refused=clause)
    rules = tuple(rule for rule in gates.rules if rule.use_case != use_case)
    return replace(gates, served={**gates.served, use_case: one}, rules=rules)


def uncovered(gates: Gates, use_case: str, output: str, clause: str = "the clause") -> Gates:
    """The same, but the output is made of an element that the use case does not name."""
    one = replace(gates.served[use_case], uncovered={output: clause})
    return replace(gates, served={**gates.served, use_case: one})


def without_elements(gates: Gates, feed: str, elements: Mapping[str, str]) -> Gates:
    """The same, but the feed's agreement does not give these elements, each by its clause."""
    return replace(gates, without={**gates.without, feed: elements})
