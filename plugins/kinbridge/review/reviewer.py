"""Who may look at pairs: the members in office of the body that `review.yaml` names, and nobody else.

A reviewer is known by the member's id, in the terminal as in Airflow, so one person has one opinion on a pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Charter, Member
from kinbridge.governance.reader import read_charters
from kinbridge.review.terms import Terms


def reviewer_named(name: str, terms: Terms, day: date, folders: Sequence[Path] | None = None) -> Member:
    """The reviewer of this id, name, log-in or e-mail address on that day.

    Raises `KinbridgeError`: KB-K61 when it is no member of the reviewing body in office, KB-G01 a charter that cannot
    be read.
    """
    charter = read_charters(folders).on(day)
    person = charter.person(name) if charter and name.strip() else None
    found = next((one for one in _reviewers(charter, terms, day) if charter and charter.person(one.id) == person), None)
    if found is None:
        raise KinbridgeError("KB-K61", body=terms.reviewers)
    return found


def reviewer_of(
    user: Mapping[str, Any], terms: Terms, day: date, folders: Sequence[Path] | None = None
) -> Member | None:
    """The reviewer who is this user of Airflow (`id`, `name`), or None. Raises KB-G01."""
    charter = read_charters(folders).on(day)
    return next((one for one in _reviewers(charter, terms, day) if one.logs_in_as(user)), None)


def names_of(folders: Sequence[Path] | None = None) -> dict[str, str]:
    """Every member's name by id, over all charters: who decided once is named after the term too."""
    return {
        member.id: member.name
        for charter in sorted(read_charters(folders).versions, key=lambda one: one.effective)
        for member in charter.members.values()
    }


def _reviewers(charter: Charter | None, terms: Terms, day: date) -> list[Member]:
    body = charter.bodies.get(terms.reviewers) if charter else None
    return charter.voters(body, day) if charter and body else []
