"""What a clause can demand: each kind of demand with the values that it may take, the strictest first.

Pure. The orders are our own reading; `docs/laws.md` states them for counsel. What is not listed here is no demand, and
a file that has it is refused: a demand that nobody enforces would look like protection.
"""

from __future__ import annotations

from enum import StrEnum

# A whole number, one of a ladder's values, or a set of words.
Value = int | str | frozenset[str]


class Kind(StrEnum):
    """A kind of demand, as the YAML names it."""

    MINIMUM_CELL = "minimum_cell"
    GEOGRAPHY = "geography"
    DATES = "dates"
    AGE_TOP_CODE = "age_top_code"
    DIRECT_IDENTIFIERS = "direct_identifiers"
    CONSENT = "consent"
    REDISCLOSURE = "redisclosure"
    RETENTION_MONTHS = "retention_months"
    RECIPIENTS = "recipients"
    NAMED_RECIPIENTS = "named_recipients"
    LINKAGE = "linkage"
    NOTICE = "notice"


MEANINGS = {
    Kind.MINIMUM_CELL: "smallest count of people that is shown, besides zero",
    Kind.GEOGRAPHY: "finest place that may be told of one person",
    Kind.DATES: "finest date that may be told of one person",
    Kind.AGE_TOP_CODE: "highest age in years that may be told; those above are pooled",
    Kind.DIRECT_IDENTIFIERS: "whether names, numbers and addresses may be in it",
    Kind.CONSENT: "what people must have been asked",
    Kind.REDISCLOSURE: "whether rows about people may be passed on",
    Kind.RETENTION_MONTHS: "months after which rows about people must go",
    Kind.RECIPIENTS: "roles that may be given rows about people",
    Kind.NAMED_RECIPIENTS: "recipients, by code, that may be given rows about people",
    Kind.LINKAGE: "whether records may be linked with those of other programs",
    Kind.NOTICE: "notices that must go with the data",
}

# Strictest first. A place or date as coarse as demanded or coarser is allowed.
LADDERS: dict[Kind, tuple[str, ...]] = {
    Kind.GEOGRAPHY: ("none", "state", "zip3", "county", "zip5", "exact"),
    Kind.DATES: ("year", "quarter", "month", "exact"),
    Kind.DIRECT_IDENTIFIERS: ("removed", "allowed"),
    Kind.CONSENT: ("written", "opt_in", "attested", "opt_out", "not_required"),
    Kind.REDISCLOSURE: ("none", "with_consent", "named_recipients", "allowed"),
    Kind.LINKAGE: ("forbidden", "with_agreement", "allowed"),
}
# Of numbers the larger is stricter, or the smaller.
LARGER_IS_STRICTER = frozenset({Kind.MINIMUM_CELL})
SMALLER_IS_STRICTER = frozenset({Kind.AGE_TOP_CODE, Kind.RETENTION_MONTHS})
# Of sets of those who may, the smaller is stricter; of sets of what must be done, the larger.
FEWER_IS_STRICTER = frozenset({Kind.RECIPIENTS, Kind.NAMED_RECIPIENTS})
MORE_IS_STRICTER = frozenset({Kind.NOTICE})

ROLES = ("contributor", "recipient", "intermediary", "research_partner", "public")
ACTIONS = ("collect", "link", "publish", "release")


def read_value(kind: Kind, given: object) -> Value:
    """The demand's value as the YAML gives it.

    Raises `ValueError` whose text says which values the kind takes.
    """
    if kind in LADDERS:
        if isinstance(given, str) and given in LADDERS[kind]:
            return given
        raise ValueError(f"{kind} is one of {', '.join(LADDERS[kind])}")
    if kind in LARGER_IS_STRICTER | SMALLER_IS_STRICTER:
        if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
            return given
        raise ValueError(f"{kind} is a whole number from 1")
    if not isinstance(given, list) or not all(isinstance(word, str) and word.strip() for word in given):
        raise ValueError(f"{kind} is a list of words")
    unknown = [word for word in given if kind is Kind.RECIPIENTS and word not in ROLES]
    if unknown:
        raise ValueError(f"{kind} is a list of {', '.join(ROLES)}; {unknown[0]} is none of them")
    return frozenset(given)
