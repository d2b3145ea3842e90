"""Agreements: what partners have allowed, and the gate that nothing passes without them."""

from kinbridge.agreement.check import check_agreements
from kinbridge.agreement.force import Force, Standing, State, force
from kinbridge.agreement.gate import Permit, permit
from kinbridge.agreement.model import Agreement, AgreementKind, Party, Signature
from kinbridge.agreement.reader import read_agreements, read_use_cases
from kinbridge.agreement.uses import ReleasePermit, Uses, release_permit, uses
from kinbridge.declaration.clause import Clause
from kinbridge.use_case.model import UseCase

__all__ = [
    "Agreement",
    "AgreementKind",
    "Clause",
    "Force",
    "Party",
    "Permit",
    "ReleasePermit",
    "Signature",
    "Standing",
    "State",
    "UseCase",
    "Uses",
    "check_agreements",
    "force",
    "permit",
    "read_agreements",
    "read_use_cases",
    "release_permit",
    "uses",
]
