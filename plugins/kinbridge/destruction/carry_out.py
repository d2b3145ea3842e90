"""Carrying out an approved batch: drawn, destroyed, rebuilt, written anew, searched, certified.

Each step leaves a row in the ledger, in the transaction that does it where there is one; what a killed worker left is
taken up at the step that it had reached, and doing a step twice changes nothing. There is no certificate before the
search found nothing. Nothing is destroyed that no person approved, or that a hold keeps: the database asks that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2.extras import Json

from kinbridge.backup.expire import destroy_partner_keys
from kinbridge.backup.keys import KeyFolder
from kinbridge.destruction.batch import Batch, Standing, batch_of
from kinbridge.destruction.certificate import Contents, render
from kinbridge.destruction.erase import erase_files, erase_staged, rewrite
from kinbridge.destruction.places import (
    airflow_metadata,
    certificate_folder,
    key_folder,
    probe_folder,
    searched_folders,
)
from kinbridge.destruction.probe import Probes
from kinbridge.destruction.proposal import require_free
from kinbridge.destruction.remains import remains_of
from kinbridge.destruction.search import Proof, search
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.partner.profile import office_contact, read_profile
from kinbridge.receipt.outdated import SENT
from kinbridge.retention.due import ENDED, RECEIPT_REMOVED
from kinbridge.retention.office import OfficeRules, read_office_rules
from kinbridge.retention.term import Kind
from kinbridge.warehouse.connection import Dsn, connect, explained, transaction

CERTIFIED, REFUSED = "destruction certified", "destruction not proven"
IN_DATABASE = (Kind.RECORD, Kind.QUARANTINE, Kind.IDENTITY)
FORMS = ("html", "json", "csv")

# Takes away files of a partner's outbox: (partner, paths). Only what has the partner's connection can.
RemoveReceipts = Callable[[str, Sequence[str]], None]


@dataclass(frozen=True)
class Site:
    """Where a batch is carried out: the ways into the warehouse, and the folders of this machine."""

    pipeline: Dsn
    linkage: Dsn
    certificates: Path = field(default_factory=certificate_folder)
    probes: Path = field(default_factory=probe_folder)
    keys: KeyFolder = field(default_factory=lambda: KeyFolder(key_folder()))
    searched: Sequence[Path] = field(default_factory=searched_folders)
    airflow: Dsn | None = field(default_factory=airflow_metadata)
    remove_receipts: RemoveReceipts | None = None
    rebuild: Callable[[Dsn], None] | None = None


@dataclass(frozen=True)
class Certificate:
    """The certificate of a batch: its file, the file's SHA-256, and the proof."""

    destruction_id: int
    path: Path
    sha256: str
    proof: Proof


def carry_out(site: Site, destruction_id: int, by: str) -> Certificate | None:
    """Destroy an approved batch and certify it; None when it is certified already.

    Raises `KinbridgeError`: KB-U04 no such batch; KB-U02 not approved; KB-U03 held; KB-U13 another run is at it; KB-U06
    something was still found (the batch stays destroyed and not certified, and may be carried out again); KB-U08 the
    probes are lost; KB-S20 to KB-S26.
    """
    office = read_office_rules()
    with _alone(site.pipeline, destruction_id):
        probes = Probes(site.probes, site.keys, destruction_id)
        with transaction(site.pipeline) as connection:
            batch = batch_of(connection, destruction_id)
            if batch.standing is Standing.CERTIFIED:
                # A worker that was killed right after the certificate left them.
                probes.forget()
                return None
            if batch.standing in {Standing.PROPOSED, Standing.REJECTED}:
                raise KinbridgeError("KB-U02", batch=destruction_id, about=batch.about, state=batch.standing.value)
            require_free(connection, batch)
        _draw(site, batch, probes)
        for kind in IN_DATABASE:
            if batch.item(kind):
                _destroy_rows(site, batch, kind)
        for kind in (Kind.FILE, Kind.STAGED, Kind.RECEIPT, Kind.BACKUP):
            if batch.item(kind):
                _destroy_things(site, batch, kind, by)
        _forget_whom(site, batch)
        _rebuild(site, batch)
        _rewrite(site, batch)
        return _certify(site, batch, probes, office, by)


def _draw(site: Site, batch: Batch, probes: Probes) -> None:
    if _step(site, batch, "probes") is None:
        drawn = probes.draw(site.pipeline)
        _take_down(site, batch, "probes", {"drawn": len(drawn)})


def _destroy_rows(site: Site, batch: Batch, kind: Kind) -> None:
    if _step(site, batch, kind.value) is not None:
        return
    with transaction(site.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT relation, rows FROM retention.destroy(%s, %s)", (batch.destruction_id, kind.value))
        counts = {relation: int(rows) for relation, rows in cursor.fetchall()}
        _insert_step(cursor, batch, kind.value, counts)


def _destroy_things(site: Site, batch: Batch, kind: Kind, by: str) -> None:
    item = batch.item(kind)
    if item is None or _step(site, batch, kind.value) is not None:
        return
    everything = batch.cause == ENDED
    with transaction(site.pipeline) as connection:
        # Once more, since a hold may have been placed after the rows went.
        require_free(connection, batch)
        match kind:
            case Kind.FILE:
                counts = erase_files(connection, str(batch.feed), item.cutoff, everything=everything)
            case Kind.STAGED:
                counts = erase_staged(connection, str(batch.feed), item.cutoff, everything=everything)
            case Kind.RECEIPT:
                counts = _remove_receipts(site, connection, batch, item.cutoff, everything=everything)
            case _:
                feed = batch.feed
                number = batch.destruction_id
                gone = destroy_partner_keys(connection, site.keys, batch.partner, feed, destruction_id=number, by=by)
                counts = {"keys": gone}
        with connection.cursor() as cursor:
            _insert_step(cursor, batch, kind.value, counts)


def _remove_receipts(
    site: Site, connection: Any, batch: Batch, cutoff: datetime, *, everything: bool
) -> dict[str, int]:
    if site.remove_receipts is None:
        return {"receipts": 0}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT
                e.delivery_id,
                e.facts ->> 'outbox'
            FROM ledger.event AS e
            INNER JOIN ledger.delivery AS d USING (delivery_id)
            WHERE d.feed = %s AND e.what = %s AND (%s OR e.happened_at < %s)
            ORDER BY 1
            """,
            (batch.feed, SENT, everything, cutoff),
        )
        found = cursor.fetchall()
    stems = [page.removesuffix(".html") for _, page in found if page]
    site.remove_receipts(batch.partner, [f"{stem}.{form}" for stem in stems for form in FORMS])
    for delivery_id, _ in found:
        record_event(connection, delivery_id, "destruction", RECEIPT_REMOVED, {"batch": batch.destruction_id})
    return {"receipts": len(found)}


def _forget_whom(site: Site, batch: Batch) -> None:
    """Whom a request was about is known by nobody from here on."""
    if batch.request_id is not None and _step(site, batch, "whom") is None:
        with transaction(site.pipeline) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM retention.requested_person WHERE request_id = %s", (batch.request_id,))
            _insert_step(cursor, batch, "whom", {"retention.requested_person": cursor.rowcount})


def _rebuild(site: Site, batch: Batch) -> None:
    """Integrated tables and figures anew, without what was destroyed."""
    if batch.item(Kind.RECORD) is None or _step(site, batch, "rebuild") is not None:
        return
    if site.rebuild is None:
        from kinbridge.integration.build import build_integrated
        from kinbridge.integration.publish import publish_mart

        build_integrated(site.linkage)
        publish_mart(site.linkage)
    else:
        site.rebuild(site.linkage)
    _take_down(site, batch, "rebuild", {})


def _rewrite(site: Site, batch: Batch) -> None:
    if _step(site, batch, "rewrite") is not None:
        return
    touched: dict[str, int] = {}
    for step in (*IN_DATABASE, "whom"):
        touched |= _step(site, batch, step) or {}
    emptied = [relation for relation, rows in touched.items() if rows]
    identity = [relation for relation in emptied if relation.startswith("identity.")]
    made = _made_by_linkage(site) if batch.item(Kind.RECORD) else []
    count = rewrite(site.pipeline, [relation for relation in emptied if relation not in identity])
    count += rewrite(site.linkage, [*identity, *made])
    _take_down(site, batch, "rewrite", {"tables": count})


def _made_by_linkage(site: Site) -> list[str]:
    """The tables that were made anew: the old rows lie in their files."""
    with transaction(site.linkage) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT format('%I.%I', n.nspname, c.relname)
            FROM pg_class AS c
            INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r'
                AND (
                    n.nspname IN ('integrated', 'mart')
                    OR n.nspname = 'identity'
                    AND c.relname IN ('relation', 'household', 'household_member', 'household_evidence', 'review_pair')
                )
                AND has_table_privilege(c.oid, 'MAINTAIN')
            ORDER BY 1
            """
        )
        return [name for (name,) in cursor.fetchall()]


def _certify(site: Site, batch: Batch, probes: Probes, office: OfficeRules, by: str) -> Certificate:
    proof = search(site.pipeline, probes.read(), site.searched, site.airflow)
    if proof.hits:
        with transaction(site.pipeline) as connection:
            facts = {"batch": batch.destruction_id, "hits": proof.hits, "places": list(proof.places)}
            record_event(connection, None, by, REFUSED, facts, feed=batch.feed)
        places = ", ".join(proof.places)
        raise KinbridgeError("KB-U06", batch=batch.destruction_id, about=batch.about, hits=proof.hits, places=places)
    issued_at = datetime.now(UTC).replace(microsecond=0)
    counts = {item.kind.value: sum((_step(site, batch, item.kind.value) or {}).values()) for item in batch.items}
    with transaction(site.pipeline) as connection:
        consents = _consents(connection, batch)
        remains = remains_of(connection, batch, office.kept, office.terms[Kind.BACKUP], consents)
        if batch.item(Kind.RECEIPT) and site.remove_receipts is None:
            why = "They hold lines and rules and no values; the partner removes them from its own outbox."
            remains = (*remains, ("Receipts", why))
        if site.airflow is None:
            remains = (*remains, ("Airflow's metadata", "It was not searched: tasks put no values there."))
    content = render(
        Contents(
            office_contact(),
            read_profile(batch.partner).name,
            batch,
            counts,
            proof,
            remains,
            issued_at,
            by,
            batch.item(Kind.RECORD) is not None,
        )
    )
    path = _write(site.certificates, f"destruction-{batch.destruction_id}.pdf", content)
    sha256 = hashlib.sha256(content).hexdigest()
    with transaction(site.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger.certificate
            (destruction_id, issued_at, carried_out_by, proof, remains, file_name, sha256)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            (batch.destruction_id, issued_at, by, Json(proof.as_plain()), Json([*remains]), path.name, sha256),
        )
        facts = {"batch": batch.destruction_id, "sha256": sha256, "counts": counts}
        record_event(connection, None, by, CERTIFIED, facts, feed=batch.feed)
    probes.forget()
    return Certificate(batch.destruction_id, path, sha256, proof)


def _consents(connection: Any, batch: Batch) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.consent WHERE feed = %s", (batch.feed,))
        return int(cursor.fetchone()[0]) if batch.cause == ENDED else 0


def _write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    temporary = folder / f".{name}"
    temporary.write_bytes(content)
    temporary.replace(path)
    return path


def _step(site: Site, batch: Batch, step: str) -> dict[str, int] | None:
    """What a step did; None while it is to be done."""
    with transaction(site.pipeline) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT counts FROM ledger.destruction_step WHERE destruction_id = %s AND step = %s",
            (batch.destruction_id, step),
        )
        row = cursor.fetchone()
    return dict(row[0]) if row else None


def _take_down(site: Site, batch: Batch, step: str, counts: dict[str, int]) -> None:
    with transaction(site.pipeline) as connection, connection.cursor() as cursor:
        _insert_step(cursor, batch, step, counts)


def _insert_step(cursor: Any, batch: Batch, step: str, counts: dict[str, int]) -> None:
    cursor.execute(
        "INSERT INTO ledger.destruction_step (destruction_id, step, counts) VALUES (%s, %s, %s)",
        (batch.destruction_id, step, Json(counts)),
    )


@contextmanager
def _alone(dsn: Dsn, destruction_id: int) -> Iterator[None]:
    """One run at a time carries out a batch; the database frees the lock when the run dies."""
    with explained(dsn.database):
        connection = connect(dsn)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"destruction {destruction_id}",)
                )
                if not cursor.fetchone()[0]:
                    raise KinbridgeError("KB-U13", batch=destruction_id)
            yield
        finally:
            connection.close()
