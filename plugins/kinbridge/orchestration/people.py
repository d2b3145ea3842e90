"""People of the charter as users of Airflow: to whom a task is assigned, and who it was that answered.

Airflow's simple auth manager knows users by name; others (FAB) by a number, which the charter may give as `login_id`.
Where it does not, a task is assigned to nobody, and our own look at the answer is what keeps others out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import conf

from kinbridge.governance.charter import Member

SIMPLE = "SimpleAuthManager"


def assigned(members: Sequence[Member]) -> list[dict[str, str]] | None:
    """The members as `assigned_users` of a HITL task; None when Airflow cannot tell them by what the charter says."""
    by_name = conf.get("core", "auth_manager", fallback=SIMPLE).endswith(SIMPLE)
    ids = {member.login if by_name else member.login_id: member.name for member in members}
    known = {number: name for number, name in ids.items() if number is not None}
    if not known or (not by_name and len(known) < len(ids)):
        return None
    return [{"id": number, "name": name} for number, name in known.items()]


def answering(user: Mapping[str, Any] | None, members: Sequence[Member]) -> Member | None:
    """The one of the members who is this user of Airflow, or None."""
    return next((member for member in members if user and member.logs_in_as(user)), None)
