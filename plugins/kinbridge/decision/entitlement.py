"""Who may cast a ballot on a question. Pure; every refusal is an error of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from kinbridge.decision.model import WITH_REASON, Ballot, Choice, Question
from kinbridge.errors import KinbridgeError
from kinbridge.governance.charter import Charter


def refuse(charter: Charter, question: Question, earlier: Iterable[Ballot], ballot: Ballot, subject: str) -> None:
    """Raise when this ballot may not be cast beside the earlier ones.

    KB-G13 it would be on one's own proposal; KB-G11 the member was not asked, or is not in office that day; KB-G12 the
    member has answered already, or the same person in another seat approves a second time; KB-G17 the reason is
    missing.
    """
    facts = {"member": ballot.member, "subject": subject}
    if charter.person(ballot.member) == charter.person(question.proposed_by):
        raise KinbridgeError("KB-G13", **facts)
    member = charter.members.get(ballot.member)
    if member is None or ballot.member not in question.asked:
        raise KinbridgeError("KB-G11", **facts, problem="was not asked")
    if not member.in_office(ballot.on):
        raise KinbridgeError("KB-G11", **facts, problem=f"is not in office on {ballot.on}")
    for one in earlier:
        same = charter.person(one.member) == charter.person(ballot.member)
        if one.member == ballot.member:
            raise KinbridgeError("KB-G12", **facts, problem="has answered already")
        if same and one.choice is Choice.APPROVE is ballot.choice:
            raise KinbridgeError("KB-G12", **facts, problem=f"has approved already, in the seat {one.member}")
    if ballot.choice in WITH_REASON and not ballot.reason.strip():
        raise KinbridgeError("KB-G17", **facts, choice=ballot.choice.value)
