"""The catalogue of spoilings, feed by feed: how agencies really spoil rows, and the contract's rules that find it."""

from __future__ import annotations

from kinbridge.simulator.spoiling import (
    Change,
    Condition,
    Spoiling,
    before,
    both,
    day_after,
    filled,
    impossible_day,
    in_future,
    in_past,
    just_before,
    month_thirteen,
    same,
    stranger,
    text,
    year_1900,
)

DUPLICATE = Spoiling("exact repeat of a row", (("duplicate", "none"),), same, copies=True)


def _critical(how: str, rule: str, change: Change, where: Condition | None = None) -> Spoiling:
    return Spoiling(how, ((rule, "critical"),), change, where)


def _warning(how: str, rule: str, change: Change, where: Condition | None = None) -> Spoiling:
    return Spoiling(how, ((rule, "warning"),), change, where)


def _missing(*columns: str) -> list[Spoiling]:
    return [_critical(f"{c.lower()} is empty", f"{c.lower()}.presence", text(c, "")) for c in columns]


def _not_a_date(column: str, *, impossible: bool = True) -> list[Spoiling]:
    rule = f"{column.lower()}.type"
    found = [
        _critical(f"{column.lower()} with day and month swapped", rule, month_thirteen(column)),
        _critical(f"{column.lower()} is no date", rule, text(column, "unknown", "N/A", "see file", "00000000")),
    ]
    if impossible:
        found.append(_critical(f"{column.lower()} is 30 February", rule, impossible_day(column)))
    return found


def _birth(column: str, entry: str = "") -> list[Spoiling]:
    """Birth dates out of range; where the feed orders birth and entry, one in the future breaks that too."""
    rule = f"{column.lower()}.range"
    future: tuple[tuple[str, str], ...] = ((rule, "critical"),)
    if entry:
        future += ((f"{column}__{entry}.date_order", "critical"),)
    return [
        _critical(f"{column.lower()} is 1 January 1900", rule, year_1900(column)),
        Spoiling(f"{column.lower()} is in the future", future, in_future(column)),
    ]


def _conflict(key: str, how: str, change: Change, where: Condition | None = None) -> Spoiling:
    return Spoiling(how, ((f"{key}.unique", "critical"),), change, where, copies=True)


def _wrong_code(column: str, *values: str, where: Condition | None = None) -> Spoiling:
    return _warning(f"{column.lower()} is unknown or stale", f"{column.lower()}.code_set", text(column, *values), where)


def _wrong_critical_code(column: str, *values: str) -> Spoiling:
    return _critical(f"{column.lower()} is unknown", f"{column.lower()}.code_set", text(column, *values))


def _wrong_form(column: str, *values: str) -> Spoiling:
    return _warning(f"{column.lower()} is malformed", f"{column.lower()}.format", text(column, *values))


def _placeholder(column: str, *values: str) -> Spoiling:
    return _warning(f"{column.lower()} is a placeholder", f"{column.lower()}.placeholder", text(column, *values))


_BAD_ZIPS = ("9871", "98-701", "ABCDE", "987012")

_ENROLLMENTS = [
    *_missing("child_last_name", "child_first_name", "child_birth_date", "entry_date", "enrollment_id", "child_id"),
    *_not_a_date("child_birth_date"),
    *_not_a_date("entry_date", impossible=False),
    *_birth("child_birth_date", "entry_date"),
    _critical(
        "child born after the entry",
        "child_birth_date__entry_date.date_order",
        day_after("child_birth_date", "entry_date"),
        in_past("entry_date"),
    ),
    _critical(
        "exit before entry",
        "entry_date__exit_date.date_order",
        before("exit_date", "entry_date"),
        filled("exit_date"),
    ),
    _wrong_critical_code("model", "SafeCare", "HIPPY", "hfa"),
    _wrong_critical_code("county_fips", "99002", "99999", "Alder"),
    _conflict(
        "enrollment_id__child_id",
        "same enrollment and child with another model and address",
        both(text("address_line", "1 Nowhere Ct"), text("child_middle_name", "Zz")),
    ),
    _wrong_form("caregiver_phone", "555-0123", "n/a", "(555)0134", "call sister"),
    _wrong_form("caregiver_email", "none", "name(at)example.org", "home@example", "@example.org"),
    _wrong_form("postal_code", *_BAD_ZIPS),
    _wrong_code("child_sex", "M", "F", "Unknown"),
    _wrong_code("child_race_ethnicity", "Caucasian", "HispanicOrLatinoEthnicity", "DemographicRaceTwoOrMoreRaces"),
    _wrong_code("child_language", "en", "English", "xyz"),
    _wrong_code("exit_reason", "GRADUATED", "9", where=filled("exit_date")),
    Spoiling(
        "caregiver_phone and caregiver_email are malformed",
        (("caregiver_phone.format", "warning"), ("caregiver_email.format", "warning")),
        both(text("caregiver_phone", "555"), text("caregiver_email", "no e-mail")),
    ),
]

_VISITS = [
    *_missing("visit_date", "visit_id"),
    *_not_a_date("visit_date"),
    _critical("visit to an unknown child", "family_id__child_id.reference", stranger("child_id")),
    _critical("negative duration", "duration_minutes.range", text("duration_minutes", "-30", "-5")),
    _critical("huge duration", "duration_minutes.range", text("duration_minutes", "4800", "1440", "999")),
    _conflict("visit_id", "same visit with another duration", text("duration_minutes", "12", "13", "17")),
]

_REFERRALS = [
    *_missing("referral_date", "referral_id"),
    *_not_a_date("referral_date"),
    _critical("referral of an unknown child", "family_id__child_id.reference", stranger("child_id")),
    _wrong_critical_code("referred_to", "HEADSTART", "EARLY INTERVENTION", "X"),
    _conflict("referral_id", "same referral on another day", day_after("referral_date", "referral_date")),
]

_ELIGIBILITY = [
    *_missing("LAST_NAME", "FIRST_NAME", "DOB", "MEMBER_ID", "ELIG_BEG"),
    *_not_a_date("DOB"),
    *_not_a_date("ELIG_BEG", impossible=False),
    *_not_a_date("ELIG_END", impossible=False),
    *_birth("DOB"),
    _critical("coverage ends before it begins", "elig_beg__elig_end.date_order", before("ELIG_END", "ELIG_BEG")),
    _wrong_critical_code("AID_CAT", "ZZ", "C1", "99"),
    _wrong_critical_code("COUNTY_CD", "13", "00", "1"),
    _conflict(
        "member_id__elig_beg",
        "same member and first day with another address",
        both(text("ADDR1", "1 NOWHERE CT"), text("MIDDLE_INIT", "?")),
    ),
    _placeholder("SSN", "999-99-9999", "000-00-0000"),
    _wrong_form("SSN", "912-34-567", "91234567X", "UNKNOWN", "900123456"),
    _wrong_form("ZIP", *_BAD_ZIPS),
    _wrong_code("SEX", "X", "1", "N"),
    _wrong_code("RACE_CD", "0", "99", "W"),
    _wrong_code("LANG_CD", "EG", "ES", "?"),
    Spoiling(
        "ssn is a placeholder and zip is malformed",
        (("ssn.placeholder", "warning"), ("zip.format", "warning")),
        both(text("SSN", "999-99-9999"), text("ZIP", "98")),
    ),
    Spoiling(
        "last_name is empty and ssn is a placeholder",
        (("last_name.presence", "critical"), ("ssn.placeholder", "warning")),
        both(text("LAST_NAME", ""), text("SSN", "000-00-0000")),
    ),
]

_PARTICIPATION = [
    *_missing("last_name", "first_name", "dob", "individual_id", "case_number", "benefit_start"),
    *_not_a_date("dob"),
    *_not_a_date("benefit_start", impossible=False),
    *_not_a_date("benefit_end", impossible=False),
    *_birth("dob"),
    _critical(
        "benefits end before they begin",
        "benefit_start__benefit_end.date_order",
        before("benefit_end", "benefit_start"),
    ),
    _wrong_critical_code("relationship", "KID", "SON", "3"),
    _wrong_critical_code("county_name", "Albemarle", "ALDER CO", "99001"),
    _conflict(
        "case_number__individual_id__benefit_start",
        "same member and first day with another address",
        text("street", "1 Nowhere Ct"),
    ),
    _placeholder("ssn", "999999999", "000000000"),
    _wrong_form("ssn", "912-34-5678", "91234567", "UNKNOWN"),
    _wrong_form("zip", *_BAD_ZIPS),
    _wrong_code("sex", "3", "M", "F"),
    _wrong_code("race", "Z", "C", "0"),
    _wrong_code("language", "Englsh", "EN", "Creole"),
    Spoiling(
        "ssn and zip are malformed",
        (("ssn.format", "warning"), ("zip.format", "warning")),
        both(text("ssn", "12"), text("zip", "?")),
    ),
]

_SERVICES = [
    *_missing("child_last_name", "child_first_name", "child_dob", "referral_date", "ei_id"),
    *_not_a_date("child_dob"),
    *_not_a_date("referral_date", impossible=False),
    *_birth("child_dob"),
    _critical(
        "evaluation before referral",
        "referral_date__evaluation_date.date_order",
        before("evaluation_date", "referral_date"),
        filled("evaluation_date"),
    ),
    _critical(
        "plan before evaluation",
        "evaluation_date__ifsp_date.date_order",
        just_before("ifsp_date", "evaluation_date"),
        filled("evaluation_date", "ifsp_date"),
    ),
    _critical(
        "service before plan",
        "ifsp_date__service_start_date.date_order",
        just_before("service_start_date", "ifsp_date"),
        filled("ifsp_date", "service_start_date"),
    ),
    _wrong_critical_code("county", "ZZ", "99", "Alder"),
    _conflict("ei_id", "same child with another address", text("street", "1 Nowhere Ct")),
    _wrong_form("zip", *_BAD_ZIPS),
    _wrong_code("gender", "U", "M", "Nonbinary"),
    _wrong_code("race_ethnicity", "Caucasian", "Multi", "7"),
    _wrong_code("home_language", "Creole", "EN", "?"),
    _wrong_code("exit_reason", "UNKNOWN", "TRANSFER", where=filled("exit_date")),
    Spoiling(
        "zip is malformed and gender is unknown",
        (("zip.format", "warning"), ("gender.code_set", "warning")),
        both(text("zip", "none"), text("gender", "?")),
    ),
]

SPOILINGS: dict[str, list[Spoiling]] = {
    "home_visiting/enrollments_v1": _ENROLLMENTS,
    "home_visiting/visits_v1": _VISITS,
    "home_visiting/referrals_v1": _REFERRALS,
    "medicaid/eligibility_v1": _ELIGIBILITY,
    "snap/participation_v1": _PARTICIPATION,
    "early_intervention/services_v1": _SERVICES,
}
