"""What decisions are about: the declared texts, each with its version, its digest and the partners whom it concerns.

Reads declarations only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinbridge.agreement.model import Agreement
from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.contract.odcs import contract_paths
from kinbridge.decision.standard import KIND as STANDARD
from kinbridge.decision.standard import standard
from kinbridge.errors import KinbridgeError
from kinbridge.governance.digest import digest_of
from kinbridge.use_case.model import UseCase

AGREEMENT, USE_CASE, ELEMENT = "agreement", "use_case", "element"


@dataclass(frozen=True)
class Text:
    """One text that needs a decision, and where it stands. An element of a feed stands nowhere as a file of its own.

    `draft` is an agreement that nobody has signed: it is being negotiated, and in force for nobody.
    """

    kind: str
    subject: str
    version: str
    digest: str
    title: str
    partners: tuple[str, ...] = ()
    path: Path | None = None
    line: int = 1
    draft: bool = False

    @property
    def name(self) -> str:
        """Subject and version, as messages name them."""
        return " ".join(filter(None, (self.subject, self.version)))


def texts(folders: Sequence[Path] | None = None, declared: Declared | None = None) -> list[Text]:
    """Every declared text that the pipeline uses only when it is approved: agreements, use cases, the standard.

    Files that cannot be read are left out; other checks say so. Raises KB-G01 when the standard cannot be read.
    """
    found = declared or read_declared(folders)
    one = standard(folders[0] if folders else None)
    return [
        *(of_agreement(agreement) for agreement, _ in found.agreements),
        *(of_use_case(use_case) for use_case, _ in found.use_cases if use_case.status == "approved"),
        Text(STANDARD, one.id, one.version, one.digest, f"The standard {one.id}", path=one.path, line=one.line),
    ]


def text_of(kind: str, subject: str, version: str | None = None, folders: Sequence[Path] | None = None) -> Text:
    """The text of this kind and subject: of this version, or the one that is declared last.

    Raises `KinbridgeError` KB-G22 when nothing of that name is declared.
    """
    if kind == ELEMENT:
        return of_element(subject)
    named = [
        one for one in texts(folders) if one.kind == kind and one.subject == subject and version in (None, one.version)
    ]
    if not named:
        named = [one for one in _proposed(folders) if (one.kind, one.subject) == (kind, subject)]
    if not named:
        raise KinbridgeError("KB-G22", kind=kind, subject=subject)
    return max(named, key=lambda one: one.version)


def of_agreement(agreement: Agreement) -> Text:
    """An agreement concerns those who contribute under it."""
    return Text(
        AGREEMENT,
        agreement.id,
        agreement.version,
        agreement.digest,
        agreement.title,
        agreement.contributors,
        agreement.path,
        agreement.clause("version").line,
        draft=not any(signature.signed for signature in agreement.signatures),
    )


def of_use_case(use_case: UseCase) -> Text:
    """A use case concerns everybody."""
    line = use_case.clause("id").line
    return Text(
        USE_CASE, use_case.id, use_case.version, use_case.digest, use_case.question, path=use_case.path, line=line
    )


def of_element(subject: str) -> Text:
    """An element, named `partner/feed_v1.column`: whether that column may be read, whatever it looks like.

    Raises `KinbridgeError` KB-G22 when the feed is not declared, or the name is of another shape.
    """
    feed, dot, column = subject.rpartition(".")
    if not (dot and feed and column) or feed not in _feeds():
        raise KinbridgeError("KB-G22", kind=ELEMENT, subject=subject)
    title = f"Reading the column {column} of {feed}"
    return Text(ELEMENT, subject, "", digest_of({"element": subject}), title, (feed.partition("/")[0],))


def _feeds() -> set[str]:
    return {f"{path.parents[2].name}/{path.parent.name}" for path in contract_paths()}


def _proposed(folders: Sequence[Path] | None) -> list[Text]:
    """Use cases that are not approved yet: they are what is proposed."""
    return [of_use_case(use_case) for use_case, _ in read_declared(folders).use_cases]
