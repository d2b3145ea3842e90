"""The steps of a delivery, on a private warehouse: register, stage, validate, load.

Validating and loading are intake's own steps. Staging is intake's as well but for the gate: on a partner's machine no
agreement has to be in force, so the columns are chosen here. Rules whose answer lies with other feeds are made to hold,
and said to be unchecked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kinbridge.agreement.gate import permit
from kinbridge.agreement.reader import read_agreements
from kinbridge.check.authority import authorised_columns
from kinbridge.contract.model import Column, Feed, Reference
from kinbridge.contract.sql import ident
from kinbridge.decision.approvals import read_approvals
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.deliveries import NewDelivery, get, register
from kinbridge.ledger.states import State
from kinbridge.receive.load import load_delivery
from kinbridge.receive.stage import settle_staged
from kinbridge.receive.validate import validate_delivery
from kinbridge.receive.work import locked
from kinbridge.staging.landing import Landing
from kinbridge.staging.stage import stage
from kinbridge.validation.suite import suite_path, suite_text
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "preflight"
NO_AGREEMENT = "none"


@dataclass(frozen=True)
class CopiedFile:
    """A file as it was when the preflight began: its name, the private copy, its size in bytes and SHA-256."""

    name: str
    path: Path
    size: int
    sha256: str


def columns_of(feed: Feed, today: date) -> tuple[Column, ...]:
    """The columns to check: those that intake would read today, by the agreements and decisions that are here.

    Where none of these is in force, all that any agreement names, whatever its dates; without an agreement, all.
    """
    try:
        return feed.authorised(permit(feed.id, today, read_agreements(), read_approvals(None, day=today)).columns)
    except KinbridgeError:
        named = authorised_columns().get(feed.id)
        return feed.authorised(named) if named else feed.columns


def receive(  # noqa: PLR0917 - what is checked, for which day, against what
    dsn: Dsn, feed: Feed, file: CopiedFile, as_of: date, unknown: Iterable[Reference], today: date
) -> int:
    """Take one file through all steps as far as intake would; returns its delivery.

    A held delivery stays held. `unknown` are the references that cannot be checked. Raises what intake's steps raise.
    """
    columns = columns_of(feed, today)
    # Intake refuses to validate without the compiled suite; here it is always what the contract says.
    suite_path(feed).write_text(suite_text(feed, columns), encoding="utf-8")
    with transaction(dsn) as connection:
        delivery = register(connection, _registration(feed, file, as_of), ACTOR)
    if delivery.state is State.DUPLICATE:
        return delivery.delivery_id
    _stage(dsn, feed, columns, delivery.delivery_id, unknown)
    validate_delivery(dsn, delivery.delivery_id, as_of)
    if state_of(dsn, delivery.delivery_id) is State.VALIDATED:
        load_delivery(dsn, delivery.delivery_id, as_of, by_approved=False)
    return delivery.delivery_id


def state_of(dsn: Dsn, delivery_id: int) -> State:
    """The state of a delivery."""
    with transaction(dsn) as connection:
        return get(connection, delivery_id).state


def _registration(feed: Feed, file: CopiedFile, as_of: date) -> NewDelivery:
    return NewDelivery(
        partner=feed.partner,
        feed=feed.id,
        file_name=file.name,
        size_bytes=file.size,
        sha256=file.sha256,
        remote_mtime=None,
        period=as_of.replace(day=1),
        as_of=as_of,
        landed_path=str(file.path),
        contract_version=feed.version,
        agreement_id=NO_AGREEMENT,
        agreement_version=NO_AGREEMENT,
    )


def _stage(dsn: Dsn, feed: Feed, columns: tuple[Column, ...], delivery_id: int, unknown: Iterable[Reference]) -> None:
    with transaction(dsn) as connection, connection.cursor() as cursor:
        delivery = locked(connection, delivery_id)
        staged = stage(cursor, Path(delivery.landed_path or ""), feed, columns, delivery_id)
        settle_staged(connection, delivery_id, staged, columns, NO_AGREEMENT)
        names = {c.name for c in columns}
        for reference in unknown:
            if names.issuperset(reference.columns):
                statement = _suppose_known(Landing(feed, columns, delivery_id), reference)
                cursor.execute(statement, {"feed": reference.feed, "names": ",".join(reference.their_columns)})


def _suppose_known(landing: Landing, reference: Reference) -> str:
    """Every key of the file that a sibling would have to know is taken as known: nothing here can tell otherwise."""
    ours = ", ".join(ident(c) for c in reference.columns)
    present = " AND ".join(f"{ident(c)} IS NOT NULL" for c in reference.columns)
    return (
        "INSERT INTO record.reference_key (feed, column_names, key_values, delivery_id) "
        f"SELECT DISTINCT %(feed)s, %(names)s, ARRAY[{ours}]::text[], {landing.delivery_id}::bigint "
        f"FROM {landing.rows} WHERE {present} ON CONFLICT DO NOTHING"
    )
