"""Agreements and use cases: what partners have allowed, and the gate that nothing passes without them."""

from kinbridge.agreement.check import check_agreements
from kinbridge.agreement.gate import Permit, permit
from kinbridge.agreement.model import Agreement, Party, Signature, UseCase
from kinbridge.agreement.reader import read_agreements, read_use_cases

__all__ = [
    "Agreement",
    "Party",
    "Permit",
    "Signature",
    "UseCase",
    "check_agreements",
    "permit",
    "read_agreements",
    "read_use_cases",
]
