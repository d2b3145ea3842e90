"""Reads partner profiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinbridge.declaration.document import DocumentError, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.settings import include_folders


@dataclass(frozen=True)
class Contact:
    """One person or desk at a partner."""

    role: str
    name: str
    email: str


@dataclass(frozen=True)
class Profile:
    """A partner: its code, its name, its contacts."""

    partner: str
    name: str
    contacts: tuple[Contact, ...]


def partners() -> list[str]:
    """The codes of all partners that have a profile, sorted."""
    return sorted(path.parent.name for folder in include_folders() for path in folder.glob("partners/*/profile.yaml"))


def read_profile(partner: str) -> Profile:
    """The profile of a partner. Raises `KinbridgeError` KB-C40 when there is none or it cannot be read."""
    path = profile_path(partner)
    try:
        data: dict[str, Any] = read_document(path).data
        contacts = tuple(Contact(c["role"], c["name"], c["email"]) for c in data["contacts"])
        return Profile(partner, str(data["name"]), contacts)
    except (DocumentError, KeyError, TypeError, FileNotFoundError):
        raise KinbridgeError("KB-C40", partner=partner) from None


def office_contact() -> str:
    """Whom a partner asks, in one line, from `include/office.yaml`. Raises `KinbridgeError` KB-C41."""
    office = _office()
    return f"{office['desk']}, {office['name']}, {office['email']}"


def office_email() -> str:
    """Our office's own address. Raises `KinbridgeError` KB-C41."""
    return _office()["email"]


def _office() -> dict[str, str]:
    try:
        data: dict[str, Any] = read_document(include_folders()[0] / "office.yaml").data
        return {name: str(data[name]) for name in ("desk", "name", "email")}
    except (DocumentError, KeyError, FileNotFoundError):
        raise KinbridgeError("KB-C41") from None


def profile_path(partner: str) -> Path:
    """Where the partner's profile stands: in the first include folder that has one."""
    found = (folder / "partners" / partner / "profile.yaml" for folder in include_folders())
    return next((path for path in found if path.is_file()), Path(f"{partner}/profile.yaml"))
