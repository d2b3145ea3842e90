"""The receipt in plain words: what became of the file, and what the partner's staff do next.

Written for people who run an agency's exports, not for engineers; no code, no jargon.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinbridge.contract.model import CODES, Kind
from kinbridge.ledger.states import State
from kinbridge.manifest.attestation import CODE as ATTESTED
from kinbridge.receipt.model import Cause, Receipt


@dataclass(frozen=True)
class Message:
    """`tone` is good, mixed, bad or quiet; `headline` one sentence; `steps` what to do, in order."""

    tone: str
    label: str
    headline: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Fate:
    """One part of the account: its name, its rows, its share of all rows in percent, what it means."""

    key: str
    name: str
    rows: int
    percent: float
    meaning: str


_SEND_AGAIN = (
    "Send the whole file again to your inbox folder, under the same name. Upload it under a name ending in .part and "
    "rename it when it is complete."
)
_OWN_SYSTEM = "Correct the causes below in your own system, so that next month's file is right as well."

# Of warnings about several rows no single value is known to be the wrong one.
_TAKEN_AS_SENT = frozenset(CODES[kind] for kind in (Kind.OVERLAP, Kind.CONSISTENT, Kind.FORMER_KEY))

_FATES = (
    ("loaded", "Taken in", "New or changed information that is now in the record."),
    ("unchanged", "Known already", "The record said the same before."),
    ("quarantined", "Set aside", "Not taken in; needs correction. We keep these rows until the corrected file comes."),
    ("duplicate", "Repeated", "Exact repeats of an earlier row of this file; one copy is enough."),
    ("undecided", "Waiting", "Nothing has been done with these rows yet."),
)


def message_of(receipt: Receipt) -> Message:
    """The headline and the next steps of a receipt."""
    match receipt.state:
        case State.ACCEPTED if any(cause.code == ATTESTED for cause in receipt.causes):
            return Message(
                "good",
                "Noted",
                "You report that there is nothing for this period.",
                ("Nothing. If there is something after all, send the data file.",),
            )
        case State.ACCEPTED:
            return Message("good", "Accepted", "Every row was accepted.", ("Nothing. Thank you.",))
        case State.ACCEPTED_WITH_FINDINGS:
            return _accepted_with_findings()
        case State.PARTLY_ACCEPTED:
            return _partly_accepted(receipt)
        case State.REFUSED:
            return _refused(receipt)
        case State.DUPLICATE:
            return _duplicate(receipt)
        case State.HELD:
            return Message(
                "mixed",
                "On hold",
                "The file waits for a person's decision; nothing has been taken in yet.",
                (
                    "You need not wait: if the causes below show that the file went wrong, correct it and send it "
                    "again.",
                    "Otherwise there is nothing to do. You receive another receipt once it is decided.",
                ),
            )
        case _:
            return Message(
                "quiet",
                "In work",
                "The file has arrived and is being checked.",
                ("Nothing yet. You receive another receipt when it is done.",),
            )


def fates_of(receipt: Receipt) -> tuple[Fate, ...]:
    """The account's parts that hold rows, in a fixed order."""
    account = receipt.account
    if account is None or account.source_rows == 0:
        return ()
    return tuple(
        Fate(key, name, getattr(account, key), 100 * getattr(account, key) / account.source_rows, meaning)
        for key, name, meaning in _FATES
        if getattr(account, key)
    )


def effect_of(cause: Cause) -> str:
    """What breaking the rule led to."""
    if cause.scope == "file":
        return "Concerns the whole file" if cause.severity == "critical" else "For your information"
    if cause.severity == "critical":
        return "Rows set aside"
    return "Rows taken as they are" if cause.code in _TAKEN_AS_SENT else "Values left empty"


def counted(number: int, one: str, many: str) -> str:
    """`1 row`, `1,204 rows`."""
    return f"{number:,} {one if number == 1 else many}"


def share(percent: float) -> str:
    """A share for people: never 0% for something, never 100% for less than all."""
    if percent in {0, 100}:
        return f"{percent:.0f}%"
    if percent < 0.1:
        return "under 0.1%"
    return "over 99.9%" if percent > 99.9 else f"{percent:.1f}%"


def size(bytes_: int) -> str:
    """A file size for people, in decimal units, with the exact bytes."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if bytes_ >= factor:
            return f"{bytes_ / factor:.1f} {unit} ({bytes_:,} bytes)"
    return counted(bytes_, "byte", "bytes")


def _accepted_with_findings() -> Message:
    return Message(
        "good",
        "Accepted with remarks",
        "Every row was accepted; some values could not be used.",
        (
            "There is no need to send this file again.",
            "When you can, correct the causes below in your own system; the next file then brings the right values.",
        ),
    )


def _partly_accepted(receipt: Receipt) -> Message:
    set_aside = receipt.account.quarantined - receipt.corrected if receipt.account else 0
    total = receipt.account.source_rows if receipt.account else 0
    if receipt.account and set_aside == 0:
        return Message(
            "good",
            "Accepted, corrected since",
            "Every row that needed correction has come corrected in a later file.",
            ("Nothing. Thank you.",),
        )
    need = "needs" if set_aside == 1 else "need"
    return Message(
        "mixed",
        "Partly accepted",
        f"{set_aside:,} of {counted(total, 'row', 'rows')} {need} correction; the others were accepted.",
        (
            "Open your file at the lines named below. Lines are counted from 1, and the heading is line 1. Where a "
            "list is cut short here, the .csv file beside this receipt goes on.",
            _OWN_SYSTEM,
            _SEND_AGAIN + " Rows that we already have do no harm.",
        ),
    )


def _refused(receipt: Receipt) -> Message:
    return Message(
        "bad",
        "Refused",
        "Nothing of this file was taken in.",
        (
            _OWN_SYSTEM if receipt.causes else "Ask us what was wrong, at the address below.",
            _SEND_AGAIN + " Sending this very file once more changes nothing.",
        ),
    )


def _duplicate(receipt: Receipt) -> Message:
    earlier = receipt.earlier
    known = f" as {earlier.file_name}, delivery {earlier.delivery_id}" if earlier else ""
    return Message(
        "quiet",
        "Received before",
        f"We have exactly this file already{known}.",
        (
            "Nothing, if that is as intended: the receipt of the first copy tells what became of it.",
            "If you meant to send other data, check that the right file was exported, and send that.",
        ),
    )
