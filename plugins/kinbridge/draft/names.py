"""Names of columns: ours made of the partner's, and what a name gives away about what stands in the column. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from kinbridge.contract.columns import NAME, RESERVED

LONGEST = 50


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a word of a name stands for; partners shorten.
WORDS = {
    "addr": "address",
    "beg": "start",
    "begin": "start",
    "bdate": "birth date",
    "birthdate": "birth date",
    "birthday": "birth date",
    "bth": "birth",
    "cat": "category",
    "cd": "code",
    "dob": "birth date",
    "dt": "date",
    "eth": "ethnicity",
    "fname": "first name",
    "firstname": "first name",
    "first": "first name",
    "fst": "first name",
    "gender": "sex",
    "ident": "id",
    "identifier": "id",
    "init": "initial",
    "lang": "language",
    "last": "last name",
    "lastname": "last name",
    "lname": "last name",
    "mi": "middle name",
    "middlename": "middle name",
    "mname": "middle name",
    "middle": "middle name",
    "nbr": "number",
    "nm": "name",
    "no": "number",
    "num": "number",
    "nr": "number",
    "postal": "zip",
    "postcode": "zip",
    "rsn": "reason",
    "socsec": "ssn",
    "srvc": "service",
    "st": "state",
    "surname": "last name",
    "svc": "service",
    "tel": "phone",
    "telephone": "phone",
    "zipcode": "zip",
}
CODE_WORDS = _set(
    "code sex race ethnicity language type status category reason source county mode role relationship program level"
    " flag indicator ind kind model method group aid class provider marital"
)
# Columns whose values are people, places or free words, however few there are.
NOT_CODES = _set(
    "id name number ssn birth date address street city zip phone email note notes comment comments description unit"
    " drivers passport maiden birthplace lat lon diagnosis income amount"
)
# A name of one of these is no person's.
THINGS = _set("county state program agency language plan school site file")
CONFIDENTIAL = _set(
    "name ssn birth address street city zip phone email id case family member maiden drivers passport birthplace"
    " household death county sex race ethnicity language lat lon relationship suffix prefix"
)
RESTRICTED = _set("diagnosis income note notes comment comments health medical hiv")
IDENTIFIERS = _set("id number key case member ssn")
# Of these a person is told by one alone.
DIRECT = _set("ssn phone email address street drivers passport")
MEASURES = _set("amount age count size minutes hours days duration income weight height year total")
# Words of which names of columns are made; a first row that has few of them is taken for data.
VOCABULARY = (
    frozenset(word for text in WORDS.values() for word in text.split())
    | CODE_WORDS
    | NOT_CODES
    | THINGS
    | CONFIDENTIAL
    | RESTRICTED
    | IDENTIFIERS
    | MEASURES
    | _set(
        "benefit caregiver child client cost day enrollment entry event exit fips first individual last line middle"
        " month parent participant patient period person place referral result row time value visit"
    )
)


def column_names(headers: Iterable[str]) -> list[str]:
    """Names for our side, one for each header: lower case with underscores, no two alike, none that tables need."""
    taken: set[str] = set()
    names = []
    for place, header in enumerate(headers, 1):
        base = _snake(header) or f"column_{place}"
        base = base if base[0].isalpha() else f"c_{base}"
        base = base[:LONGEST].rstrip("_")
        if RESERVED.search(base) or not NAME.match(base):
            base = f"{base.replace('__', '_')[: LONGEST - 7]}_column"
        name, number = base, 2
        while name in taken:
            ending = f"_{number}"
            name, number = base[: LONGEST - len(ending)] + ending, number + 1
        taken.add(name)
        names.append(name)
    return names


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """The words of a column's name, shortenings written out, numbers left off: `CHILD_DOB2` is child, birth, date."""
    found = []
    for part in _snake(name).split("_"):
        plain = part.rstrip("0123456789") or part
        found.extend(WORDS.get(plain, plain).split())
    return tuple(dict.fromkeys(word for word in found if word))


def classification(name: str) -> str:
    """A guess from the name alone: restricted, confidential or internal."""
    said = set(words(name))
    if said & RESTRICTED:
        return "restricted"
    return "confidential" if said & CONFIDENTIAL else "internal"


def direct(name: str) -> bool:
    """Whether the column seems to name a person by itself."""
    said = set(words(name))
    return bool(said & DIRECT) or ("name" in said and not said & THINGS) or "id" in said


def may_hold_codes(name: str) -> bool:
    """Whether few different values in the column may be codes; never for people, places and free words."""
    said = set(words(name))
    return not (said & (NOT_CODES - {"name"})) and not ("name" in said and not said & THINGS)


def sounds_like_codes(name: str) -> bool:
    """Whether the name speaks of a code, so that numbers in it are no quantities."""
    return may_hold_codes(name) and bool(set(words(name)) & CODE_WORDS) and not set(words(name)) & MEASURES


def sounds_like_an_identifier(name: str) -> bool:
    """Whether the name speaks of a number or an id that tells things apart."""
    said = set(words(name))
    return bool(said & (IDENTIFIERS | {"zip", "phone", "fips"})) and not said & MEASURES


def _snake(header: str) -> str:
    text = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode("ascii")
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
