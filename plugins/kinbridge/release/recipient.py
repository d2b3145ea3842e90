"""Reads recipients' profiles, `recipients/<code>.yaml`: who they are, where they are, whom to ask.

The account by which a recipient fetches releases is the connection `sftp_<code>`; its public keys stand in
`keys/<code>.asc`, pinned by the fingerprints of the agreement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.release.model import Recipient, RecipientContact
from kinbridge.settings import include_folders

CODE = re.compile(r"[a-z][a-z0-9_]{0,62}")


def recipient_paths(folders: Sequence[Path] | None = None) -> list[Path]:
    """The profiles of all recipients, the project's own first."""
    return [path for folder in folders or include_folders() for path in sorted((folder / "recipients").glob("*.yaml"))]


def recipients(folders: Sequence[Path] | None = None) -> list[str]:
    """The codes of all recipients that are declared, sorted."""
    return sorted({path.stem for path in recipient_paths(folders)})


def read_recipient(code: str, folders: Sequence[Path] | None = None) -> Recipient:
    """The profile of a recipient. Raises `KinbridgeError` KB-T03 when there is none, or it cannot be used."""
    path = next((path for path in recipient_paths(folders) if path.stem == code), None)
    if path is None:
        raise KinbridgeError("KB-T03", recipient=code, problem="it has no profile below include/recipients/")
    problems = list(recipient_problems(path))
    if problems:
        raise KinbridgeError("KB-T03", recipient=code, problem=f"{path}:{problems[0].line}: {problems[0].text}")
    data = read_document(path).data
    contacts = tuple(RecipientContact(c["role"], c["name"], c["email"]) for c in data["contacts"])
    return Recipient(code, str(data["name"]), str(data["address"]), contacts, path)


def recipient_problems(path: Path) -> Iterator[Problem]:
    """Every mistake of one profile (KB-T03)."""
    try:
        document = read_document(path)
    except DocumentError as error:
        yield error.problem
        return
    if not CODE.fullmatch(path.stem):
        yield document.problem("KB-T03", "a recipient's code is lower case letters, digits and underscores")
    if document.data.get("recipient") != path.stem:
        yield document.problem("KB-T03", f"`recipient` is not {path.stem}, the name of the file", "recipient")
    for name in ("name", "address"):
        value = document.data.get(name)
        if not (isinstance(value, str) and value.strip()):
            yield document.problem("KB-T03", f"a recipient has its {name}", name)
    yield from _contacts(document)


def _contacts(document: Document) -> Iterator[Problem]:
    contacts = document.data.get("contacts")
    if not (isinstance(contacts, list) and contacts):
        yield document.problem("KB-T03", "a recipient has at least one contact", "contacts")
        return
    for index, contact in enumerate(contacts):
        if not (isinstance(contact, dict) and all(contact.get(name) for name in ("role", "name", "email"))):
            yield document.problem("KB-T03", "a contact has role, name and email", "contacts", index)
