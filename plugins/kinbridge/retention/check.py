"""What `kinbridge check` says of the office's retention rules and of the deadlines of notices."""

from __future__ import annotations

from kinbridge.declaration.document import Problem
from kinbridge.incident.deadline import check_deadlines
from kinbridge.law.reader import read_declared_laws
from kinbridge.retention.office import check_office_rules


def check_retention() -> list[Problem]:
    """Every mistake in `retention.yaml` and `incidents/deadlines.yaml`."""
    return [*check_office_rules(), *check_deadlines(read_declared_laws().classification.meanings)]
