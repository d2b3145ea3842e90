"""Collects a feed's new files from its partner's inbox and registers each of them once.

The caller holds a permit already: without an agreement in force no connection is made. Collected files stay in the
inbox, for they are the partner's. A file is known again by name, size and time, and is then not fetched; a file whose
time changed is fetched and known again by its SHA-256. Two runs at once are kept apart by a lock in the database, and
by a unique index should the lock be lost. A delivery that still needs its landed file, but has lost it, gets it again.

It must never use a remote name in a local path, register half a file, or let one bad file stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.inbox import Oddity, RemoteFile, list_inbox
from kinbridge.delivery.landing import STRAY_AFTER_SECONDS, feed_folder, sweep
from kinbridge.delivery.names import printable
from kinbridge.delivery.plan import Collected, CollectPlan, NamePattern, NotAMonth, Waiting, last_day
from kinbridge.delivery.session import Session
from kinbridge.delivery.sftp import Timeouts, open_sftp
from kinbridge.delivery.transfer import Landed, download
from kinbridge.errors import KinbridgeError, catalogue
from kinbridge.ledger import deliveries
from kinbridge.ledger.deliveries import Delivery
from kinbridge.ledger.events import record_event, record_once
from kinbridge.ledger.locks import feed_lock
from kinbridge.ledger.states import State
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "collect"
SETTLE_SECONDS = 2.0
# After this long a delivery that nobody has staged was left by a run that died.
ABANDONED_SECONDS = 600.0
NEEDS_FILE = (State.COLLECTED, State.STAGED, State.VALIDATED, State.HELD, State.APPROVED)
# Failures that concern one file only; the others are collected all the same.
ONE_FILE = {"KB-D06", "KB-D07", "KB-D08", "KB-D13"}


def collect(
    endpoint: SftpEndpoint,
    plan: CollectPlan,
    pipeline_dsn: Dsn,
    landing_folder: Path,
    *,
    settle_seconds: float = SETTLE_SECONDS,
    now: datetime | None = None,
    lock_seconds: float = 60.0,
    stray_after_seconds: float = STRAY_AFTER_SECONDS,
    timeouts: Timeouts | None = None,
    resume_since: datetime | None = None,
) -> Collected:
    """Fetch and register what is new for one feed. Safe to repeat at any point.

    A file is taken when its size and time are the same in two looks `settle_seconds` apart. `now` (with a time zone) is
    the moment of the run. A run that tries again gives as `resume_since` when it first began: what it had registered by
    then, and nobody has staged, is its to work on, however young. Raises KB-D01 to KB-D05, KB-D09 to KB-D11 and KB-D14
    (nothing more can be collected now; what was registered stays registered), and KB-D20 (another run holds the feed
    for longer than `lock_seconds`).
    """
    moment = now or datetime.now(UTC)
    with feed_lock(pipeline_dsn, plan.feed, wait_seconds=lock_seconds) as lock:
        folder = feed_folder(landing_folder, plan.slug)
        swept = sweep(folder, deliveries.landed_paths(lock, plan.feed), time.time(), stray_after_seconds)
        if swept.files:
            facts = {"files": swept.files, "bytes": swept.size}
            record_event(lock, None, ACTOR, "stray files destroyed", facts, feed=plan.feed)
        run = _Run(plan, pipeline_dsn, folder, moment, settle_seconds, resume_since)
        run.take_stock(lock)
        with open_sftp(endpoint, timeouts) as session:
            candidates = run.look(session, lock)
            for candidate in run.settled(session, candidates):
                run.take(session, candidate)
        for oddity in run.result.refused:
            record_once(lock, plan.feed, ACTOR, "not taken", {"code": oddity.code, "file": oddity.file})
    return run.result


@dataclass(frozen=True)
class _Candidate:
    file: RemoteFile
    period: date | None


@dataclass
class _Run:
    """One run of `collect`: what it works with, and the result as it grows."""

    plan: CollectPlan
    dsn: Dsn
    folder: Path
    now: datetime
    settle_seconds: float
    resume_since: datetime | None = None
    result: Collected = field(default_factory=Collected)
    lost: dict[str, Delivery] = field(default_factory=dict)  # by SHA-256

    def take_stock(self, connection: Any) -> None:
        """Note what earlier runs left: deliveries that nobody staged, and those whose landed file is gone."""
        for delivery in deliveries.find(connection, self.plan.feed, states=NEEDS_FILE):
            if delivery.landed_path is None or not Path(delivery.landed_path).is_file():
                self.lost[delivery.sha256] = delivery
            elif delivery.state == State.COLLECTED and self._left_over(delivery):
                self.result.unfinished.append(delivery.delivery_id)

    def look(self, session: Session, connection: Any) -> list[_Candidate]:
        """The feed's files that are not in the ledger and need not wait for a sibling, by period, then name."""
        pattern = NamePattern.of(self.plan.file_pattern)
        known = [NamePattern.of(text) for text in self.plan.partner_patterns]
        unclaimed = Unclaimed(known)
        listing = list_inbox(session, self.plan.inbox, lambda name: pattern.fits(name) or unclaimed.note(name))
        self.result.refused.extend(listing.oddities)
        self.result.refused.extend(unclaimed.oddities)
        lost = [delivery.delivery_id for delivery in self.lost.values()]
        seen = deliveries.seen_files(connection, self.plan.feed, without=lost)
        settled = deliveries.settled_periods(connection, self.plan.waits_for)
        candidates = []
        for file in sorted(listing.files, key=lambda listed: listed.name):
            if (file.name, file.size, moment_of(file.mtime)) in seen:
                continue
            try:
                period = pattern.period(file.name)
            except NotAMonth as error:
                self.result.refused.append(Oddity("KB-D19", printable(file.name), f"{error} is not a month"))
                continue
            missing = [feed for feed in self.plan.waits_for if period and (feed, period) not in settled]
            if missing and period:
                self._wait(file, "KB-D22", feed=missing[0], period=f"{period:%Y-%m}")
            else:
                candidates.append(_Candidate(file, period))
        return sorted(candidates, key=lambda c: (c.period or date.max, c.file.name))

    def settled(self, session: Session, candidates: list[_Candidate]) -> Iterable[_Candidate]:
        """Those whose size and time did not change between the look before and a second one."""
        if not candidates:
            return []
        time.sleep(self.settle_seconds)
        names = {candidate.file.name for candidate in candidates}
        again = {file.name: file for file in list_inbox(session, self.plan.inbox, names.__contains__).files}
        resting = []
        for candidate in candidates:
            file = candidate.file
            if file.name not in again:
                self._refuse(file, "KB-D08")
            elif again[file.name] != file or self._too_young(file):
                self._wait(file, "KB-D07")
            else:
                resting.append(candidate)
        return resting

    def take(self, session: Session, candidate: _Candidate) -> None:
        """Fetch and register one file; a failure of this file alone is noted and goes no further."""
        file = candidate.file
        try:
            landed = download(session, file.path, self.folder, file.size, expected_mtime=file.mtime)
        except KinbridgeError as error:
            if error.code not in ONE_FILE:
                raise
            if error.code == "KB-D07":
                self._wait(file, "KB-D07")
            else:
                self._refuse(file, error.code)
            return
        # When this fails, the file stays for the sweep: the ledger may have the row although its answer was lost.
        if not self._register(candidate, landed):
            landed.path.unlink(missing_ok=True)

    def _register(self, candidate: _Candidate, landed: Landed) -> bool:
        """Write the file into the ledger; whether a delivery now owns the landed file."""
        file, plan = candidate.file, self.plan
        new = deliveries.NewDelivery(
            partner=plan.partner,
            feed=plan.feed,
            file_name=file.name,
            size_bytes=landed.size,
            sha256=landed.sha256,
            remote_mtime=moment_of(file.mtime),
            period=candidate.period,
            as_of=last_day(candidate.period) if candidate.period else self.now.date(),
            landed_path=str(landed.path),
            contract_version=plan.contract_version,
            agreement_id=plan.agreement_id,
            agreement_version=plan.agreement_version,
        )
        with transaction(self.dsn) as connection:
            lost = self.lost.get(landed.sha256)
            if lost is not None:
                deliveries.land_again(connection, lost.delivery_id, str(landed.path), ACTOR)
                self.result.unfinished.append(lost.delivery_id)
                del self.lost[landed.sha256]
                return True
            if file.mtime is None and _known_by_name(connection, new):
                return False  # a server without times: the same file is met, and fetched, at every run
            delivery = deliveries.register(connection, new, ACTOR)
        if delivery.state == State.DUPLICATE:
            self.result.duplicates.append(delivery.delivery_id)
            return False
        self.result.new.append(delivery.delivery_id)
        return True

    def _left_over(self, delivery: Delivery) -> bool:
        ours = self.resume_since is not None and delivery.collected_at >= self.resume_since
        return ours or (self.now - delivery.collected_at).total_seconds() >= ABANDONED_SECONDS

    def _too_young(self, file: RemoteFile) -> bool:
        """Whether the file was written within the settle window; a time ahead of our clock says nothing."""
        if file.mtime is None:
            return False
        return 0 <= time.time() - file.mtime < self.settle_seconds

    def _wait(self, file: RemoteFile, code: str, **facts: str) -> None:
        shown = printable(file.name)
        reason = catalogue()[code].message.format(partner=self.plan.partner, file=shown, **facts)
        self.result.waiting.append(Waiting(shown, code, reason))

    def _refuse(self, file: RemoteFile, code: str) -> None:
        self.result.refused.append(Oddity(code, printable(file.name), catalogue()[code].title.lower()))


class Unclaimed:
    """Names that fit no feed of the partner, so that a misnamed file does not lie unread for ever.

    Hidden files and names under which uploads are under way are nobody's business.
    """

    LIMIT = 100
    _UNDER_WAY = (".part", ".tmp", ".filepart", ".partial", ".writing")

    def __init__(self, known: list[NamePattern]) -> None:
        self._known = known
        self.oddities: list[Oddity] = []

    def note(self, name: str) -> bool:
        """Note `name` if no feed expects it. Always False: such a file is not collected."""
        if (
            self._known
            and len(self.oddities) < self.LIMIT
            and not name.startswith(".")
            and not name.lower().endswith(self._UNDER_WAY)
            and not any(pattern.fits(name) for pattern in self._known)
        ):
            self.oddities.append(Oddity("KB-D15", printable(name), "the name fits no feed"))
        return False


def moment_of(mtime: int | None) -> datetime | None:
    """A server's file time as a moment."""
    return None if mtime is None else datetime.fromtimestamp(mtime, UTC)


def _known_by_name(connection: Any, new: deliveries.NewDelivery) -> bool:
    found = deliveries.find(connection, new.feed, file_name=new.file_name)
    return any(delivery.sha256 == new.sha256 and delivery.remote_mtime is None for delivery in found)
