"""Through whom a partner's files come, where they do not come from itself: an intermediary, from its profile.

A program with nobody to run a server lets another one, or a data center, send for it. The intermediary's account on its
server has a folder for each such partner, and in it the partner's own inbox and outbox. That the profile names somebody
allows nothing: the agreement has to name the intermediary as a party, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kinbridge.declaration.document import Document, DocumentError, Problem, read_document
from kinbridge.errors import KinbridgeError
from kinbridge.partner.profile import profile_path

KEY = "intermediary"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Of one folder, or one below another; never out of the account.
_FOLDER = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Intermediary:
    """Who sends for a partner: its code (the connection is `sftp_<code>`), and the partner's folder on its account."""

    code: str
    folder: str


def intermediary_of(partner: str) -> Intermediary | None:
    """The intermediary that the partner's profile names; None where it sends itself, and for who has no profile here,
    as a recipient of releases.

    Raises `KinbridgeError` KB-C40 when the profile cannot be read, or does not say whom and where.
    """
    try:
        document = read_document(profile_path(partner))
    except FileNotFoundError:
        return None
    except DocumentError:
        raise KinbridgeError("KB-C40", partner=partner) from None
    if KEY not in document.data:
        return None
    if any(intermediary_problems(document)):
        raise KinbridgeError("KB-C40", partner=partner)
    given = document.data[KEY]
    return Intermediary(given["code"], given["folder"])


def intermediary_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with `intermediary` in a profile."""
    if KEY not in document.data:
        return
    given = document.data[KEY]
    if not isinstance(given, dict) or set(given) != {"code", "folder"}:
        yield document.problem("KB-C31", "intermediary has a code and a folder, and nothing else", KEY)
        return
    if not isinstance(given["code"], str) or not _NAME.fullmatch(given["code"]):
        yield document.problem("KB-C31", "an intermediary's code is lower_case_with_underscores", KEY, "code")
    elif given["code"] == document.data.get("partner"):
        yield document.problem("KB-C31", "nobody is one's own intermediary", KEY, "code")
    if not isinstance(given["folder"], str) or not _FOLDER.fullmatch(given["folder"]):
        text = "the folder is a path below the account, of letters, digits, _ and -"
        yield document.problem("KB-C31", text, KEY, "folder")
