"""One `agreements/*.yaml` as an agreement. It never gives a part of one: what is missing becomes a problem.

Each kind has clauses that must be there. What only newer files have (amendments, laws, linkage, roles besides the two)
may be missing.
"""

from __future__ import annotations

import re
from typing import Any

from kinbridge.agreement.model import (
    CONSENT_RULES,
    Agreement,
    AgreementKind,
    Basis,
    Breach,
    Consent,
    Destruction,
    Linkage,
    OpenPgp,
    Party,
    Redisclosure,
    Retention,
    Role,
    Signature,
    Transmission,
)
from kinbridge.decision.approvals import digest_of
from kinbridge.declaration.document import Key
from kinbridge.declaration.shape import Shape

# OpenPGP keys of version 4 and of version 6 (RFC 9580, 5.5.4).
FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
KINDS = tuple(kind.value for kind in AgreementKind)
# An exception that a law makes from consent, as older files name it.
_EXCEPTION = "exception"


def agreement_of(read: Shape) -> Agreement:
    """The agreement of one document; it holds when `read.problems` stays empty."""
    named = read.choice(KINDS, "kind")
    kind = AgreementKind(named) if named in KINDS else AgreementKind.DATA_USE
    memorandum, release = kind is AgreementKind.MEMORANDUM, kind is AgreementKind.RELEASE
    parties = _parties(read, kind)
    listed = _feeds(read) if kind is AgreementKind.DATA_USE else {}
    binding: dict[str, Any] = {} if memorandum else _binding(read, release=release)
    releases = {use_case: read.texts("releases", use_case, "elements") for use_case in _releases(read, kind)}
    return Agreement(
        id=read.text("id"),
        version=read.text("version"),
        title=read.text("title"),
        kind=kind,
        contributor=parties[0],
        recipient=parties[1],
        others=tuple(parties[2:]),
        use_cases=tuple(releases)
        if release
        else read.optional_texts("use_cases")
        if memorandum
        else read.texts("use_cases"),
        feeds={feed: frozenset(elements) for feed, elements in listed.items()},
        listed=listed,
        releases=releases,
        effective=read.day("effective"),
        expires=read.day("expires"),
        amends=read.optional_text("amends") or None,
        under=read.optional_text("under") or None,
        signatures=tuple(_signature(read, index) for index in read.items("signatures")),
        small_cell_minimum=1 if memorandum else read.whole("small_cells", "minimum", least=1),
        path=read.document.path,
        openpgp=_openpgp(read) if kind is AgreementKind.DATA_USE else None,
        laws=read.optional_texts("laws"),
        linkage=_linkage(read),
        deidentification=_words(read, "deidentification"),
        purposes=read.texts("purposes") if memorandum else (),
        commitments=read.texts("commitments") if memorandum else (),
        digest=digest_of(read.document.data),
        lines=read.document.lines,
        **binding,
    )


def _binding(read: Shape, *, release: bool) -> dict[str, Any]:
    """The clauses that every agreement has by which data move."""
    return {
        "legal_basis": tuple(
            Basis(read.text("legal_basis", index, "citation"), read.text("legal_basis", index, "what"))
            for index in read.items("legal_basis")
        ),
        "transmission": _transmission(read, release=release),
        "retention": _retention(read, release=release),
        "destruction": Destruction(
            read.whole("destruction", "within_days", least=0),
            read.text("destruction", "method"),
            bool(read.value("destruction", "certificate")),
        ),
        "redisclosure": _redisclosure(read),
        "breach": Breach(
            read.text("breach", "contact"), read.text("breach", "email"), read.whole("breach", "within_hours", least=1)
        ),
        "consent": Consent() if release and not read.has("consent") else _consent(read),
    }


def _parties(read: Shape, kind: AgreementKind) -> list[Party]:
    """The contributor, the recipient, then the others. A memorandum has several contributors; who receives a release
    may be named as a research partner."""
    found: dict[Role, list[Party]] = {}
    for role in Role:
        given = read.value("parties", role.value)
        if isinstance(given, list):
            found[role] = [_party(read, role, role.value, index) for index in range(len(given))]
        elif given is not None or role in {Role.CONTRIBUTOR, Role.RECIPIENT}:
            if role is Role.RECIPIENT and kind is AgreementKind.RELEASE and not read.has("parties", "recipient"):
                continue
            found[role] = [_party(read, role, role.value)]
    known = read.value("parties")
    for name in known if isinstance(known, dict) else ():
        if name not in {role.value for role in Role}:
            read.refuse(f"a party is one of {', '.join(Role)}, not {name}", "parties", name)
    if kind is AgreementKind.RELEASE and not found.get(Role.RECIPIENT):
        found[Role.RECIPIENT] = found.pop(Role.RESEARCH_PARTNER, [])
    for role in (Role.CONTRIBUTOR, Role.RECIPIENT):
        many = role is Role.CONTRIBUTOR and kind is AgreementKind.MEMORANDUM
        if not found.get(role) or (len(found[role]) > 1 and not many):
            read.refuse(f"parties.{role.value} is required, once", "parties", role.value)
            found[role] = found.get(role) or [Party("", "", role.value)]
    first, second = found[Role.CONTRIBUTOR][0], found[Role.RECIPIENT][0]
    return [first, second, *(p for group in found.values() for p in group if p not in (first, second))]


def _party(read: Shape, role: Role, *where: Key) -> Party:
    signs = read.flag("parties", *where, "signs", default=True)
    if not signs and role in {Role.CONTRIBUTOR, Role.RECIPIENT}:
        read.refuse("who gives or receives data always signs", "parties", *where, "signs")
    return Party(read.text("parties", *where, "code"), read.text("parties", *where, "name"), role.value, signs)


def _feeds(read: Shape) -> dict[str, tuple[str, ...]]:
    feeds = read.value("feeds")
    if not isinstance(feeds, dict) or not feeds:
        read.refuse("feeds is required, as a mapping of feeds to their elements", "feeds")
        return {}
    return {str(feed): read.texts("feeds", feed, "elements") for feed in feeds}


def _releases(read: Shape, kind: AgreementKind) -> list[str]:
    return list(read.names("releases")) if kind is AgreementKind.RELEASE else []


def _signature(read: Shape, index: int) -> Signature:
    where: tuple[Key, ...] = ("signatures", index)
    # A signature that is still wanted is written down with `signed` empty, and the gate stays shut.
    wanted = isinstance(read.value(*where), dict) and read.value(*where, "signed") is None
    return Signature(
        party=read.text(*where, "party"),
        name=read.text(*where, "name"),
        title=read.text(*where, "title"),
        # One without an authority is read, and does not count: the agreement is not in force, the others still are.
        authority=read.optional_text(*where, "authority"),
        signed=None if wanted else read.day(*where, "signed"),
    )


def _retention(read: Shape, *, release: bool) -> Retention:
    if release:
        return Retention(releases_days=read.whole("retention", "releases_days", least=1))
    return Retention(
        files_days=read.whole("retention", "files_days", least=0),
        records_months=read.whole("retention", "records_months", least=0),
        quarantine_days=read.optional_whole("retention", "quarantine_days", least=0),
        releases_days=read.optional_whole("retention", "releases_days", least=0),
    )


def _redisclosure(read: Shape) -> Redisclosure:
    """A text alone says: to nobody. `{recipients: [codes], what: text}` names who may be given rows."""
    if not isinstance(read.value("redisclosure"), dict):
        return Redisclosure(what=read.text("redisclosure"))
    return Redisclosure(read.optional_texts("redisclosure", "recipients"), read.text("redisclosure", "what"))


def _consent(read: Shape) -> Consent:
    """The rule, on the ladder. A rule that is none of it is taken for the strictest; `kinbridge check` says so."""
    rule = read.text("consent", "rule")
    if rule == _EXCEPTION:
        rule = CONSENT_RULES[0]
    known = rule in CONSENT_RULES
    return Consent(
        rule if known else CONSENT_RULES[-1], _words(read, "consent", "form"), _words(read, "consent", "what")
    )


def consent_rule_known(rule: str) -> bool:
    """Whether a text is a rule of consent."""
    return rule == _EXCEPTION or rule in CONSENT_RULES


def _linkage(read: Shape) -> Linkage:
    if not read.has("linkage"):
        return Linkage()
    return Linkage(
        read.flag("linkage", "allowed", default=True),
        read.optional_texts("linkage", "not_with"),
        read.texts("linkage", "use_cases") if read.has("linkage", "use_cases") else None,
    )


def _transmission(read: Shape, *, release: bool) -> Transmission:
    channel = read.text("transmission", "channel")
    if not release:
        return Transmission(channel)
    where: tuple[Key, ...] = ("transmission", "openpgp", "encrypted_to")
    return Transmission(channel, _fingerprints(read, *where), read.text("transmission", "outbox"))


def _openpgp(read: Shape) -> OpenPgp | None:
    """`transmission.openpgp`. A mistake there must never leave files unprotected, so the agreement is not read."""
    where: tuple[Key, ...] = ("transmission", "openpgp")
    if not read.has(*where):
        return None
    given = read.value(*where)
    if not isinstance(given, dict) or set(given) != {"signed_by", "encrypted"}:
        read.refuse("transmission.openpgp is {signed_by: [fingerprints], encrypted: true or false}", *where)
        return None
    fingerprints = _fingerprints(read, *where, "signed_by")
    if not isinstance(given["encrypted"], bool):
        read.refuse("transmission.openpgp.encrypted is true or false", *where, "encrypted")
    return OpenPgp(fingerprints, bool(given["encrypted"]))


def _fingerprints(read: Shape, *where: Key) -> tuple[str, ...]:
    fingerprints = tuple(re.sub(r"\s", "", text).upper() for text in read.texts(*where))
    for index, fingerprint in enumerate(fingerprints):
        if not FINGERPRINT.fullmatch(fingerprint):
            read.refuse(
                "a full fingerprint has 40 or 64 hexadecimal digits; shorter key ids can be forged", *where, index
            )
    return fingerprints


def _words(read: Shape, *where: Key) -> str:
    """A text, or a mapping or list whose texts are put together: older files say some clauses in either way."""
    found = read.value(*where)
    if isinstance(found, dict):
        return "; ".join(f"{name}: {value}" for name, value in found.items())
    if isinstance(found, list):
        return "; ".join(str(value) for value in found)
    return "" if found is None else str(found).strip()
