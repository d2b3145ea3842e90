"""Reads all that rules are worked out from: laws, agreements with the decisions on them, and the office's parameters.

Reads files, and the register of decisions where a connection is given. Raises where any of it cannot be read whole: a
rule worked out from half of what binds would be too loose.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinbridge.agreement.force import force
from kinbridge.agreement.reader import read_agreements
from kinbridge.decision.approvals import Approvals, read_approvals
from kinbridge.declaration.document import read_document
from kinbridge.integration.parameters import read_parameters, sql_folder
from kinbridge.law.demand import Kind
from kinbridge.law.reader import read_laws
from kinbridge.rule.model import Demand, Source
from kinbridge.rule.sources import RELEASE, Grounds


def read_grounds(
    connection: Any | None = None, *, approvals: Approvals | None = None, folders: Sequence[Path] | None = None
) -> Grounds:
    """Everything declared; decisions from the register too where there is a connection, or as given.

    Raises `KinbridgeError`: KB-J01 laws, KB-A06 agreements, KB-G01 decisions, KB-M03 parameters.
    """
    decided = read_approvals(connection, folders) if approvals is None else approvals
    return Grounds(read_laws(folders), force(read_agreements(folders), decided), (_office(),))


def _office() -> tuple[frozenset[str], Demand]:
    path = sql_folder() / "parameters.yaml"
    least = read_parameters(path).minimum_cell
    line = read_document(path).line("minimum_cell")
    source = Source("office", "parameters", "minimum_cell", "", path, line, "every figure")
    return frozenset({"publish", RELEASE}), Demand(Kind.MINIMUM_CELL, least, source)
