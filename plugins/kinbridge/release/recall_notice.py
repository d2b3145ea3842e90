"""Tells recipients of recalls: a sealed file in their outbox that names codes, and an e-mail that names none.

The file holds the codes of that release and nothing else of anybody. It is sent before the recall counts as told, under
a name of its own, so that a worker that dies in between sends the same again; the mail's message id stays the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from kinbridge.agreement.reader import read_agreements
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.plan import OUTBOX
from kinbridge.delivery.sftp import open_sftp
from kinbridge.delivery.transfer import upload
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.notice.message import Mail, Sender
from kinbridge.openpgp.keys import pinned
from kinbridge.partner.profile import office_contact, office_email
from kinbridge.release.deliver import make_outbox
from kinbridge.release.recall import ACTOR, WITHHELD
from kinbridge.release.recipient import read_recipient
from kinbridge.release.register import Release, locked
from kinbridge.release.seal import seal, usable
from kinbridge.warehouse.connection import Dsn, transaction

SENT, NOT_SENT = "sent", "not sent: no mail connection"


@dataclass(frozen=True)
class _Untold:
    """A recall that nobody was told of yet."""

    recall_id: int
    cause: str
    detail: str
    reason: str
    stands: str
    clause: str
    due_on: date


def tell_recalls(dsn: Dsn, endpoint_of: Callable[[str], SftpEndpoint], send: Sender | None) -> int:
    """Tell each recipient of the recalls that it was not told of; how many were told now.

    `dsn` is kb_linkage's way in, `endpoint_of` a recipient's account by its code. One that fails does not keep the
    others; raises at the end what the first one raised (KB-D.., KB-H.., KB-T.., KB-E08): it is told at the next run.
    """
    told = 0
    failed: list[KinbridgeError] = []
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT recall_id FROM ledger.recall WHERE told_at IS NULL ORDER BY recall_id")
        waiting = [recall_id for (recall_id,) in cursor.fetchall()]
    for recall_id in waiting:
        try:
            told += _tell(dsn, recall_id, endpoint_of, send)
        except KinbridgeError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return told


def _tell(dsn: Dsn, recall_id: int, endpoint_of: Callable[[str], SftpEndpoint], send: Sender | None) -> int:
    with transaction(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT release_id FROM ledger.recall WHERE recall_id = %s AND told_at IS NULL", (recall_id,))
        row = cursor.fetchone()
        if row is None:
            return 0
        release = locked(connection, row[0])
        recall = _untold(cursor, recall_id)
        if recall is None:
            return 0
        name = f"{release.name}_{release.version}_r{release.release_id}.recall_{recall_id}.csv.pgp"
        sealed = seal(_file(cursor, release, recall), _keys(release), release.recipient)
        with open_sftp(endpoint_of(release.recipient)) as session:
            make_outbox(session, release.outbox or OUTBOX)
            upload(session, sealed, f"{release.outbox or OUTBOX}/{name}")
        mail = recall_mail(release, recall_id, name, recall.due_on)
        cursor.execute(
            "INSERT INTO ledger.mail (partner, subject, body, recipients, outcome) VALUES (%s, %s, %s, %s, %s)",
            (mail.partner, mail.subject, mail.body, len(mail.to + mail.cc), NOT_SENT if send is None else SENT),
        )
        cursor.execute(
            "UPDATE ledger.recall SET told_at = clock_timestamp(), file_name = %s WHERE recall_id = %s",
            (name, recall_id),
        )
        facts = {"recall": recall_id, "release": release.release_id, "file": name}
        record_event(connection, None, ACTOR, "recall told", facts)
        if send is not None:
            send(mail)
    return 1


def recall_mail(release: Release, recall_id: int, file_name: str, due_on: date) -> Mail:
    """The mail to a recipient's contacts: that there is a recall, and where its file is. It names no code."""
    recipient = read_recipient(release.recipient)
    body = "\n".join(
        (
            f"A part of the release {release.name} {release.version} (number {release.release_id}) is recalled.",
            "",
            f"What to remove, and why, is in the file {file_name} in your outbox, encrypted to your key.",
            f"Please remove it from every copy by {due_on}, and tell us that it is done, naming recall {recall_id}.",
            "",
            f"Questions: {office_contact()}",
        )
    )
    return Mail(
        partner=release.recipient,
        to=tuple(dict.fromkeys(contact.email for contact in recipient.contacts)),
        cc=(office_email(),),
        subject=f"Recall {recall_id} of the release {release.name}",
        body=body,
        key=f"{release.recipient}\nrecall {recall_id}",
    )


def _untold(cursor: Any, recall_id: int) -> _Untold | None:
    cursor.execute(
        """
        SELECT recall_id, cause, detail, reason, stands, clause, due_on
        FROM ledger.recall
        WHERE recall_id = %s AND told_at IS NULL
        """,
        (recall_id,),
    )
    row = cursor.fetchone()
    return _Untold(*row) if row else None


def _file(cursor: Any, release: Release, recall: _Untold) -> bytes:
    """What to do, and the codes that it concerns: all rows where it is not about persons."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(("release", "recall", "cause", "what", "clause", "stands", "due_on", "code"))
    said = (recall.cause, recall.reason, recall.clause, recall.stands, recall.due_on.isoformat())
    codes = ["all"]
    if recall.cause == WITHHELD:
        cursor.execute(
            """
            SELECT member.code::text
            FROM release.recall_member
            INNER JOIN release.member USING (release_id, person_id)
            WHERE recall_member.recall_id = %s
            ORDER BY member.code
            """,
            (recall.recall_id,),
        )
        codes = [code for (code,) in cursor.fetchall()]
    for code in codes:
        out.writerow((release.release_id, recall.recall_id, *said, code))
    return text.getvalue().encode("utf-8")


def _keys(release: Release) -> list[Any]:
    """The keys of the agreement under which it was released, whether or not that is still in force."""
    named = [
        one for one in read_agreements() if one.id == release.agreement_id and one.recipient.code == release.recipient
    ]
    # The newest version's keys first: a key is replaced by an amendment.
    for agreement in sorted(named, key=lambda one: one.effective, reverse=True):
        keys = [key for key in pinned(release.recipient, agreement.transmission.encrypted_to) if usable(key)]
        if keys:
            return keys
    raise KinbridgeError(
        "KB-T14", name=release.name, recipient=release.recipient, clause=release.agreement_id, keys="none can be used"
    )
