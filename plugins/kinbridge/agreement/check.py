"""Holds agreements and use cases against contracts, against each other and against the common schema.

Collects every mistake with file and line; it never stops at the first and never changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinbridge.agreement.model import CONSENT_RULES, Agreement, AgreementKind
from kinbridge.agreement.reader import Declared, read_declared
from kinbridge.agreement.text import consent_rule_known
from kinbridge.agreement.ties import tie_problems
from kinbridge.declaration.document import Document, Key, Problem
from kinbridge.errors import KinbridgeError
from kinbridge.openpgp.keys import pinned
from kinbridge.standards import common_schema
from kinbridge.use_case.model import UseCase


def check_agreements(contracts_columns: dict[str, set[str]], folders: Sequence[Path] | None = None) -> list[Problem]:
    """Every mistake in the agreements and use cases of the folders (by default the include folders).

    `contracts_columns` are the contract names of the columns of each feed. Sorted by file and line. Codes:
    KB-C01 unreadable; KB-C20 a field is missing or of the wrong kind; KB-C21 unknown feed; KB-C22 element
    outside the contract; KB-C23 unknown or unapproved use case; KB-C24 days the wrong way round; KB-C25
    signature of no party, or none declared; KB-C26 use-case element outside the common schema; KB-C27
    agreements or use cases that contradict each other; KB-C54 an amendment of nothing; KB-C55 a memorandum that is
    not there; KB-C56 an unknown rule of consent; KB-C57, KB-C58 linkage that names unknown feeds or use cases; KB-H16
    a key that may sign is not pinned.
    """
    declared = read_declared(folders)
    problems = list(declared.problems)
    known = {use_case.id: use_case for use_case, _ in declared.use_cases}
    for agreement, document in declared.agreements:
        problems.extend(_feeds(agreement, document, contracts_columns))
        problems.extend(_use_cases(agreement, document, known))
        problems.extend(_days(agreement, document))
        problems.extend(_signatures(agreement, document))
        problems.extend(_keys(agreement, document, folders))
        problems.extend(_consent(agreement, document))
    for use_case, document in declared.use_cases:
        problems.extend(_elements(use_case, document))
    problems.extend(tie_problems(declared, contracts_columns))
    problems.extend(_repeated(declared))
    return sorted(problems, key=lambda p: (str(p.path), p.line, p.code, p.text))


def _feeds(agreement: Agreement, document: Document, contracts: dict[str, set[str]]) -> Iterator[Problem]:
    for feed in agreement.feeds:
        if feed.split("/", 1)[0] != agreement.contributor.code:
            text = f"{feed} is no feed of the contributor {agreement.contributor.code}"
            yield document.problem("KB-C27", text, "feeds", feed)
        if feed not in contracts:
            yield document.problem("KB-C21", f"no contract declares the feed {feed}", "feeds", feed)
            continue
        for index, element in enumerate(document.data["feeds"][feed]["elements"]):
            if element not in contracts[feed]:
                text = f"{element} is no column of the contract of {feed}"
                yield document.problem("KB-C22", text, "feeds", feed, "elements", index)


def _use_cases(agreement: Agreement, document: Document, known: dict[str, UseCase]) -> Iterator[Problem]:
    release = agreement.kind is AgreementKind.RELEASE
    for index, use_case in enumerate(agreement.use_cases):
        where: tuple[Key, ...] = ("releases", use_case) if release else ("use_cases", index)
        if use_case not in known:
            yield document.problem("KB-C23", f"there is no use case {use_case}", *where)
        elif known[use_case].status != "approved":
            text = f"the use case {use_case} is {known[use_case].status}, not approved"
            yield document.problem("KB-C23", text, *where)


def _consent(agreement: Agreement, document: Document) -> Iterator[Problem]:
    consent = document.data.get("consent")
    rule = str(consent.get("rule", "")) if isinstance(consent, dict) else ""
    if consent is not None and agreement.kind is not AgreementKind.MEMORANDUM and not consent_rule_known(rule):
        text = f"consent.rule {rule!r} is none of {', '.join(CONSENT_RULES)}; until it is, it is taken for written"
        yield document.problem("KB-C56", text, "consent", "rule")


def _days(agreement: Agreement, document: Document) -> Iterator[Problem]:
    if agreement.expires < agreement.effective:
        yield document.problem("KB-C24", "expires lies before effective", "expires")
    for index, signature in enumerate(agreement.signatures):
        if signature.signed and signature.signed > agreement.expires:
            text = f"{signature.party} signed after the agreement expired"
            yield document.problem("KB-C24", text, "signatures", index, "signed")


def _signatures(agreement: Agreement, document: Document) -> Iterator[Problem]:
    for index, signature in enumerate(agreement.signatures):
        if signature.party not in {p.code for p in agreement.parties}:
            text = f"{signature.party} signed but is no party"
            yield document.problem("KB-C25", text, "signatures", index, "party")
        if not signature.authority:
            text = f"signatures.{index}.authority is required: without it the signature does not count"
            yield document.problem("KB-C20", text, "signatures", index, "authority")
    for party in agreement.parties:
        if party.signs and party.code not in {s.party for s in agreement.signatures}:
            yield document.problem("KB-C25", f"no signature is declared for {party.code}", "signatures")


def _keys(agreement: Agreement, document: Document, folders: Sequence[Path] | None) -> Iterator[Problem]:
    partner = agreement.contributor.code
    for index, fingerprint in enumerate(agreement.openpgp.signed_by if agreement.openpgp else ()):
        try:
            pinned(partner, [fingerprint], folders)
        except KinbridgeError as error:
            text = f"include/keys/{partner}.asc: {error.facts['cause']}"
            yield document.problem("KB-H16", text, "transmission", "openpgp", "signed_by", index)


def _elements(use_case: UseCase, document: Document) -> Iterator[Problem]:
    names = {element.name for elements in common_schema().values() for element in elements}
    for index, element in enumerate(use_case.elements):
        if element not in names:
            text = f"{element} is no element of the common schema"
            yield document.problem("KB-C26", text, "elements", index)


def _repeated(declared: Declared) -> Iterator[Problem]:
    """Two use cases of one name."""
    ids: dict[str, Path] = {}
    for use_case, document in declared.use_cases:
        if use_case.id in ids:
            text = f"{use_case.id} is declared in {ids[use_case.id].name} already"
            yield document.problem("KB-C27", text, "id")
        ids.setdefault(use_case.id, use_case.path)
