"""The texts of mails. Pure.

A mail names feeds, periods, due days, counts, files and where to look. It never holds a value from anybody's data, and
nothing that somebody typed freely: mail passes through machines that are not ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kinbridge.calendar.alert import Alert, Kind
from kinbridge.delivery.names import printable
from kinbridge.ledger.accounts import Account
from kinbridge.ledger.states import State

# So many periods of one feed are named one by one; of more, the first, the last and how many.
LISTED = 6


@dataclass(frozen=True)
class Mail:
    """One message in plain text. `key` names what it tells: the same key always makes the same message id."""

    partner: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    body: str
    key: str

    @property
    def message_id(self) -> str:
        """A message id that stays the same should a mail be sent again after a crash, so that readers see it once."""
        return f"<kinbridge.{hashlib.sha256(self.key.encode()).hexdigest()[:40]}@kinbridge.invalid>"


Sender = Callable[[Mail], None]


@dataclass(frozen=True)
class Addresses:
    """Who gets a partner's mails: its contacts, with a copy to our office. `office` is a line that says whom to ask."""

    partner_name: str
    contacts: tuple[str, ...]
    office_email: str
    office: str


@dataclass(frozen=True)
class Told:
    """What a mail about a delivery says of it; `receipt` is the page's name in the partner's outbox."""

    delivery_id: int
    partner: str
    feed: str
    file_name: str
    period: str
    state: State
    account: Account | None
    receipt: str


def alert_mail(partner: str, addresses: Addresses, alerts: Sequence[Alert]) -> Mail:
    """One mail with all that is to be told to a partner's contacts at one time."""
    parts = [
        "\n".join([_HEADS[kind], *_lines(kind, list(found))])
        for kind, found in groupby(sorted(alerts, key=_order), key=lambda alert: alert.kind)
    ]
    subject = "Deliveries: " + ", ".join(
        f"{sum(alert.kind is kind for alert in alerts)} {word}"
        for kind, word in _WORDS.items()
        if any(alert.kind is kind for alert in alerts) and word
    )
    if any(alert.kind is Kind.SILENT for alert in alerts):
        subject = f"Nothing has come from {addresses.partner_name}"
    key = "\n".join([partner, *sorted(f"{a.kind} {a.feed or ''} {a.period.first}" for a in alerts)])
    return _mail(partner, addresses, subject, parts, key)


def delivery_mail(addresses: Addresses, told: Told) -> Mail:
    """The mail about one delivery: what became of the file, in counts, and where its receipt is."""
    name = printable(told.file_name)
    what = _STATES[told.state]
    first = f"Your file {name} ({told.feed}, {told.period}) {what}{_counts(told)}."
    where = f"The receipt {printable(told.receipt)} is in your outbox."
    next_step = _NEXT[told.state]
    parts = [first, *([next_step] if next_step else []), *([where] if told.state is not State.HELD else [])]
    key = f"{told.partner}\ndelivery {told.delivery_id} {told.state}"
    return _mail(told.partner, addresses, f"{name} {what}", [*parts, f"Delivery number: {told.delivery_id}."], key)


_WORDS = {Kind.OVERDUE: "overdue", Kind.REMINDER: "due soon", Kind.DOUBLED: "sent twice", Kind.SILENT: ""}
_HEADS = {
    Kind.SILENT: "Nothing at all has come for two periods or more. Is the export still running?",
    Kind.OVERDUE: "Overdue. Please put the file into your inbox, or tell us when it will come:",
    Kind.REMINDER: "Due soon, and not here yet:",
    Kind.DOUBLED: "Two different files were accepted for one period. Please tell us which one is right:",
}
_STATES = {
    State.ACCEPTED: "was accepted",
    State.ACCEPTED_WITH_FINDINGS: "was accepted with remarks",
    State.PARTLY_ACCEPTED: "was partly accepted",
    State.REFUSED: "was refused",
    State.DUPLICATE: "was received before",
    State.HELD: "is held",
}
_NEXT = {
    State.ACCEPTED: "",
    State.ACCEPTED_WITH_FINDINGS: "The file need not be sent again; the receipt names what could not be used.",
    State.PARTLY_ACCEPTED: "Please correct the causes that the receipt names, and send the whole file again.",
    State.REFUSED: "Please correct the causes that the receipt names, and send a corrected file.",
    State.DUPLICATE: "We have exactly this file already; there is nothing to do unless you meant to send another one.",
    State.HELD: "It looks wrong as a whole, so a person at our office looks at it before anything is taken in. "
    "A receipt follows when that is decided.",
}


def _order(alert: Alert) -> tuple[int, str, object]:
    return list(_HEADS).index(alert.kind), alert.feed or "", alert.period


def _lines(kind: Kind, alerts: list[Alert]) -> Iterable[str]:
    if kind is Kind.SILENT:
        yield from (f"- silent since period {alert.period.label}, which was due on {alert.due}" for alert in alerts)
        return
    for feed, group in groupby(alerts, key=lambda alert: alert.feed):
        found = list(group)
        if len(found) > LISTED:
            first, last = found[0], found[-1]
            yield (
                f"- {feed}: {len(found)} periods from {first.period.label} (due {first.due}) "
                f"to {last.period.label} (due {last.due})"
            )
        else:
            yield from (f"- {feed}, period {alert.period.label}, due {alert.due}{_files(alert)}" for alert in found)


def _files(alert: Alert) -> str:
    if alert.kind is Kind.DOUBLED:
        return f": {alert.files} files accepted"
    return f": {alert.files} file(s) came and were refused" if alert.files else ""


def _counts(told: Told) -> str:
    account = told.account
    if account is None or told.state in {State.HELD, State.DUPLICATE}:
        return ""
    counts = (
        (account.loaded, "loaded"),
        (account.unchanged, "known already"),
        (account.quarantined, "quarantined"),
        (account.duplicate, "repeated"),
    )
    said = ", ".join(f"{count:,} row{'s' * (count != 1)} {what}" for count, what in counts if count)
    return f": {said or 'no rows'}"


def _mail(partner: str, addresses: Addresses, subject: str, parts: Iterable[str], key: str) -> Mail:
    body = "\n\n".join(
        [
            f"To {addresses.partner_name}.",
            *parts,
            f"Questions: {addresses.office}. This message was sent by a program.",
        ]
    )
    # A line break in a subject would begin another header.
    return Mail(partner, addresses.contacts, (addresses.office_email,), " ".join(subject.split()), body + "\n", key)
