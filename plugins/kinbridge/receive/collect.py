"""Step 0: is the feed allowed today and its partner not paused, and what is new in its inbox."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime

from kinbridge.agreement.force import force
from kinbridge.agreement.gate import Permit, permit, refuse_unnamed
from kinbridge.agreement.holdings import note_taken_back
from kinbridge.agreement.reader import read_agreements
from kinbridge.calendar.pause import refuse_paused
from kinbridge.contract.model import Feed
from kinbridge.contract.odcs import feeds
from kinbridge.decision.approvals import read_approvals
from kinbridge.delivery.collect import SETTLE_SECONDS, collect
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.plan import Collected, CollectPlan
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.events import record_event
from kinbridge.partner.intermediary import intermediary_of
from kinbridge.receipt.outdated import outdated
from kinbridge.settings import landing_folder
from kinbridge.warehouse.connection import Dsn, transaction

log = logging.getLogger("kinbridge")
ACTOR = "receive.gate"
# Each delivery becomes a mapped task of the run; Airflow fails a task that maps more than 1,024 (`max_map_length`).
MOST_DELIVERIES = 1_000
MOST_LOGGED = 50


def gate(dsn: Dsn, feed_id: str, today: date) -> Permit:
    """The permit under which the feed may be collected today; a refusal is written to the ledger.

    Raises `KinbridgeError` KB-E03 (the partner is paused: since when, and why), KB-A01 to KB-A10 and KB-A16 (which
    agreement, and by which clause it does not allow the feed), and KB-A21 (it does not name who sends for the partner).
    """
    try:
        with transaction(dsn) as connection:
            refuse_paused(connection, feed_id.split("/", 1)[0], datetime.now(UTC))
            every = force(read_agreements(), read_approvals(connection, day=today))
            # Also where an amendment leaves the feed out altogether, and the gate is about to say so.
            note_taken_back(connection, feed_id, today, every)
        granted = permit(feed_id, today, every.agreements, every.approvals)
        sender = intermediary_of(feed_id.split("/", 1)[0])
        refuse_unnamed(granted, sender.code if sender else None)
        return granted
    except KinbridgeError as error:
        with transaction(dsn) as connection:
            record_event(connection, None, ACTOR, "refused to connect", {"code": error.code}, feed=feed_id)
        raise


@dataclass(frozen=True)
class Batch:
    """The deliveries that one run works on, oldest period first, and whether there is more for another run at once."""

    deliveries: list[int]
    more: bool = False


def collect_feed(
    dsn: Dsn,
    endpoint: SftpEndpoint,
    feed: Feed,
    granted: Permit,
    now: datetime,
    *,
    resume_since: datetime | None = None,
    settle_seconds: float = SETTLE_SECONDS,
) -> Batch:
    """Collect what is new; returns the deliveries to work on.

    A file that was here before, or is not what its manifest says, or says that there is nothing to report, is among
    them: every step passes it by, and it gets its receipt. So does one of which rows left quarantine since its receipt.
    `resume_since` is for a task that tries again: what its earlier try registered before it died is taken up.
    `settle_seconds` is how long a file has to rest.
    """
    collected = collect(
        endpoint,
        plan_of(feed, granted),
        dsn,
        landing_folder(),
        settle_seconds=settle_seconds,
        now=now,
        resume_since=resume_since,
    )
    log.info("%s: %s", feed.id, collected.summary())
    for waiting in collected.waiting[:MOST_LOGGED]:
        log.info("left in the inbox: %s (%s)", waiting.file, waiting.reason)
    if len(collected.waiting) > MOST_LOGGED:
        log.info("left in the inbox: %s more", len(collected.waiting) - MOST_LOGGED)
    for oddity in collected.refused:
        if oddity.code in {"KB-H02", "KB-H07"}:  # what keeps other files waiting, or a period open
            log.warning("not taken: %s (%s: %s)", oddity.file, oddity.code, oddity.cause)
    with transaction(dsn) as connection:
        renewed = outdated(connection, feed.id)
    return batch(collected, renewed)


def batch(collected: Collected, renewed: list[int], most: int = MOST_DELIVERIES) -> Batch:
    """The deliveries of one run, `most` of them: those to work on, oldest period first, then those for a receipt alone.

    A settled delivery is met once, so it is always among them. What there is no room for comes with a later run: what
    nobody has staged is found in the ledger as left over, and an outdated receipt as outdated.
    """
    settled = [*collected.attested, *collected.turned_away, *collected.duplicates]
    work = [*collected.unfinished, *collected.new]
    taken = work[: max(most - len(settled), 0)]
    again = renewed[: max(most - len(settled) - len(taken), 0)]
    more = collected.left > 0 or len(taken) < len(work) or len(again) < len(renewed)
    return Batch([*taken, *settled, *again], more)


def plan_of(feed: Feed, granted: Permit) -> CollectPlan:
    """What to look for: the feed's own files, and its siblings' names so that a misnamed file is noticed."""
    return CollectPlan(
        partner=feed.partner,
        feed=feed.id,
        file_pattern=feed.dialect.file_pattern,
        contract_version=feed.version,
        agreement_id=granted.agreement_id,
        agreement_version=granted.version,
        waits_for=feed.siblings,
        partner_patterns=tuple(p for f in feeds().values() if f.partner == feed.partner for p in _patterns(f)),
        manifest=feed.dialect.manifest,
        nothing=feed.dialect.nothing,
    )


def _patterns(feed: Feed) -> list[str]:
    """The patterns of all names that a feed has a use for."""
    dialect = feed.dialect
    manifest = [dialect.manifest.file_pattern] if dialect.manifest else []
    return [dialect.file_pattern, *manifest, *([dialect.nothing] if dialect.nothing else [])]
