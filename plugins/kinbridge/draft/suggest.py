"""Which elements of the common schema a column could be, told by its name: suggestions for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kinbridge.draft.names import words
from kinbridge.draft.profile import FEW, Profile
from kinbridge.standards import Element

# How alike two names have to be, from 0 to 1, and how many elements are named for one column.
ALIKE, MOST = 0.6, 2
# What else an element is called.
CALLED = {
    "address_line": ({"address"}, {"street"}, {"street", "name"}),
    "postal_code": ({"zip"},),
    "race_ethnicity": ({"race", "ethnicity"}, {"race"}, {"ethnicity"}),
    "county_fips": ({"county"},),
    "entry_date": ({"entry", "date"}, {"start"}),
    "exit_date": ({"exit", "date"}, {"end"}),
    "middle_name": ({"middle", "name"},),
    "name_suffix": ({"suffix"},),
    "delivery_method": ({"mode"}, {"delivery", "method"}),
    "service_date": ({"service", "date"}, {"visit", "date"}),
    "duration_minutes": ({"duration", "minutes"}, {"duration"}),
    "source_service_event_id": ({"visit", "id"}, {"event", "id"}, {"encounter", "id"}),
    "source_family_id": ({"family", "id"}, {"case", "id"}, {"case", "number"}, {"household", "id"}),
}
PEOPLE = frozenset(
    {"person", "member", "individual", "client", "child", "participant", "patient", "recipient", "beneficiary"}
)


def suggestions(name: str, schema: Mapping[str, Iterable[Element]]) -> tuple[Element, ...]:
    """The likeliest elements for a column, the best first; none when nothing is alike."""
    said = set(words(name))
    scored = [
        (score, -number, element)
        for number, element in enumerate(e for elements in schema.values() for e in elements)
        if (score := _alike(said, element)) >= ALIKE
    ]
    best = max((score for score, _, _ in scored), default=0.0)
    ordered = sorted(scored, key=lambda one: (-one[0], -one[1]))
    return tuple(element for score, _, element in ordered[:MOST] if score >= best - 0.05)


def person_column(found: Profile) -> str:
    """The column that most likely holds the partner's id of the person; one that is hardly ever empty, if any."""
    fields = [one for one in found.fields if one.rows and one.empty < FEW * one.rows] or list(found.fields)

    def weight(place: int) -> tuple[int, int]:
        said = set(words(fields[place].name))
        about = 2 * bool(said & PEOPLE) + bool(said & {"id", "number"}) + (fields[place].name in found.key)
        return about, -place

    return fields[max(range(len(fields)), key=weight)].name


def _alike(said: set[str], element: Element) -> float:
    names = CALLED.get(element.column, (set(words(element.column)) - {"source"},))
    if element.column == "source_person_id":
        names = tuple({who, what} for who in PEOPLE for what in ("id", "number"))
    return max(_overlap(said, set(name)) for name in names)


def _overlap(said: set[str], name: set[str]) -> float:
    """Mostly how much of the element's name the column says, a little how much else it says."""
    both = len(said & name)
    return 0.7 * both / len(name) + 0.3 * both / len(said) if said and name else 0.0
