"""Collects a feed's new files from its partner's inbox and registers each of them once.

The caller holds a permit already: without an agreement in force no connection is made. Collected files stay in the
inbox, for they are the partner's. A file is known again by name, size and time, and is then not fetched; a file whose
time changed is fetched and known again by its SHA-256. Two runs at once are kept apart by a lock in the database, and
by a unique index should the lock be lost. A delivery that still needs its landed file, but has lost it, gets it again.
Where files come with a manifest, all that one manifest lists are taken, or none of them.

It must never use a remote name in a local path, register half a file, or let one bad file stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kinbridge.delivery.ahead import Ahead
from kinbridge.delivery.endpoint import SftpEndpoint
from kinbridge.delivery.inbox import Oddity, RemoteFile, list_inbox
from kinbridge.delivery.landing import STRAY_AFTER_SECONDS, feed_folder, sweep
from kinbridge.delivery.names import printable
from kinbridge.delivery.plan import Collected, CollectPlan, NamePattern, NotAMonth, Waiting, last_day
from kinbridge.delivery.refusal import refuse_unread
from kinbridge.delivery.session import Session
from kinbridge.delivery.sftp import Timeouts, open_sftp
from kinbridge.delivery.transfer import Landed, download
from kinbridge.delivery.unclaimed import Unclaimed
from kinbridge.delivery.whole import Manifests, Vouched, refused_under
from kinbridge.errors import KinbridgeError, catalogue
from kinbridge.ledger import deliveries
from kinbridge.ledger.deliveries import Delivery
from kinbridge.ledger.events import latest_facts, record_event, record_once
from kinbridge.ledger.locks import feed_lock
from kinbridge.ledger.states import State
from kinbridge.manifest.attestation import LARGEST_BYTES, identity, settle
from kinbridge.manifest.model import mismatch
from kinbridge.warehouse.connection import Dsn, transaction

ACTOR = "collect"
SETTLE_SECONDS = 2.0
# After this long a delivery that nobody has staged was left by a run that died.
ABANDONED_SECONDS = 600.0
# As many files are taken in one run, by period and name; the others are left for the next ones. Small ones take half a
# minute, and every step that comes after works on each of them.
MOST_FILES = 500
NEEDS_FILE = (State.COLLECTED, State.STAGED, State.VALIDATED, State.HELD, State.APPROVED)
# Failures that concern one file only; the others are collected all the same.
ONE_FILE = {"KB-D06", "KB-D07", "KB-D08", "KB-D13"}
MANIFEST_RULE = "file.manifest"


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
    most_files: int = MOST_FILES,
) -> Collected:
    """Fetch and register what is new for one feed, up to `most_files` of it. Safe to repeat at any point.

    A file is taken when its size and time are the same in two looks at least `settle_seconds` apart; it is fetched in
    between, or afterwards. `now` (with a time zone) is
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
        plan = replace(plan, inbox=endpoint.place(plan.inbox))
        run = _Run(plan, pipeline_dsn, folder, moment, settle_seconds, resume_since)
        run.take_stock(lock)
        try:
            with open_sftp(endpoint, timeouts) as session:
                candidates = run.look(session, lock)
                for whole in run.whole(session, lock, run.settled(session, candidates, most_files)):
                    # What fails does not count, so files that fail cannot keep the others away for ever.
                    if run.result.taken < most_files:
                        run.take(session, whole)
                    else:
                        run.result.left += len(whole)
        finally:
            run.ahead.drop()
        for oddity in run.result.refused:
            record_once(lock, plan.feed, ACTOR, "not taken", {"code": oddity.code, "file": oddity.file})
    return run.result


@dataclass(frozen=True)
class _Candidate:
    file: RemoteFile
    period: date | None
    attests: bool = False
    vouched: Vouched | None = None


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
    refused_under: dict[tuple[str, int, datetime | None], set[str]] = field(default_factory=dict)
    beside: dict[str, RemoteFile] = field(default_factory=dict)  # what rests in the inbox, by name
    ahead: Ahead = field(init=False)

    def __post_init__(self) -> None:
        self.ahead = Ahead(self.folder)

    def take_stock(self, connection: Any) -> None:
        """Note what earlier runs left: deliveries that nobody staged, and those whose landed file is gone."""
        for delivery in deliveries.find(connection, self.plan.feed, states=NEEDS_FILE):
            if delivery.landed_path is None or not Path(delivery.landed_path).is_file():
                self.lost[delivery.sha256] = delivery
            elif delivery.state == State.COLLECTED and self._left_over(delivery):
                self.result.unfinished.append(delivery.delivery_id)

    def look(self, session: Session, connection: Any) -> list[_Candidate]:
        """The feed's files that are not in the ledger and need not wait for a sibling, by period, then name."""
        own = self._own_patterns()
        known = [NamePattern.of(text) for text in self.plan.partner_patterns]
        unclaimed = Unclaimed(known)
        listing = list_inbox(
            session,
            self.plan.inbox,
            lambda name: self._wants(name) or unclaimed.note(name),
            of_a_file=self._wants,
        )
        self.result.refused.extend(listing.oddities)
        self.result.refused.extend(unclaimed.oddities)
        lost = [delivery.delivery_id for delivery in self.lost.values()]
        seen = deliveries.seen_files(connection, self.plan.feed, without=lost)
        settled = deliveries.settled_periods(connection, self.plan.waits_for)
        self.beside = {file.name: file for file in listing.files}
        if self.plan.manifest:
            self.refused_under = refused_under(connection, self.plan.feed)
        candidates = []
        for file in sorted(listing.files, key=lambda listed: listed.name):
            pattern = next((pattern for pattern in own if pattern.fits(file.name)), None)
            stamp = (file.name, file.size, file.moment)
            # What was refused because of its manifest is looked at again: the manifest may be another by now.
            if pattern is None or (stamp in seen and stamp not in self.refused_under):
                continue
            attests = pattern is not own[0]
            try:
                period = pattern.period(file.name)
            except NotAMonth as error:
                self.result.refused.append(Oddity("KB-D19", printable(file.name), f"{error} is not a month"))
                continue
            missing = [feed for feed in self.plan.waits_for if period and (feed, period) not in settled and not attests]
            if missing and period:
                self._wait(file, "KB-D22", feed=missing[0], period=f"{period:%Y-%m}")
            else:
                candidates.append(_Candidate(file, period, attests))
        return sorted(candidates, key=lambda c: (c.period or date.max, c.file.name))

    def settled(self, session: Session, candidates: list[_Candidate], most: int) -> Iterable[_Candidate]:
        """Those whose size and time did not change between the look before and a second one.

        Meanwhile up to `most` of them are fetched; not those that are still too young, and none that may have to wait
        for a manifest, or it would be fetched in vain at every run.
        """
        if not candidates:
            return []
        until = time.monotonic() + self.settle_seconds
        if self.plan.manifest is None:
            resting = (c for c in candidates[:most] if not self._too_young(c.file) and not _too_large(c))
            self.ahead.fetch(session, (c.file for c in resting), until, ONE_FILE)
        time.sleep(max(0.0, until - time.monotonic()))
        names = {candidate.file.name for candidate in candidates}
        listing = list_inbox(session, self.plan.inbox, lambda name: name in names or self._wants(name))
        again = {file.name: file for file in listing.files}
        odd = {oddity.file: oddity.code for oddity in listing.oddities}
        self.beside = {name: file for name, file in again.items() if self.beside.get(name) == file}
        settled = []
        for candidate in candidates:
            file = candidate.file
            if file.name not in again:
                self._refuse(file, odd.get(printable(file.name), "KB-D08"))
            elif again[file.name] != file or self._too_young(file):
                self._wait(file, "KB-D07")
            else:
                settled.append(candidate)
        return settled

    def whole(self, session: Session, connection: Any, resting: Iterable[_Candidate]) -> list[list[_Candidate]]:
        """What is taken together: each file for itself, or the files that one manifest lists and vouches for."""
        terms = self.plan.manifest
        if terms is None:
            return [[candidate] for candidate in resting]
        pattern = NamePattern.of(terms.file_pattern)
        files = {f.name: f for f in self.beside.values() if pattern.fits(f.name) and not self._too_young(f)}
        ready = list(resting)
        stale = set(self.beside) - {candidate.file.name for candidate in ready}
        manifests = Manifests(self.plan.partner, terms, self.folder, files, self.beside, stale)
        groups: dict[str, list[_Candidate]] = {}
        for candidate in ready:
            file = candidate.file
            if candidate.attests or self._is_lost(file):
                groups[file.name] = [candidate]
                continue
            vouched = manifests.vouching(session, file.name, candidate.period)
            if vouched is None:
                self._wait(file, "KB-H01")
            elif vouched.sha256 in self.refused_under.get((file.name, file.size, file.moment), ()):
                continue  # refused under this very manifest, and the partner was told
            elif obstacle := manifests.obstacle(session, connection, vouched):
                self._wait(file, obstacle.code, other=printable(obstacle.name))
            else:
                groups.setdefault(vouched.sha256, []).append(replace(candidate, vouched=vouched))
        for name, cause in manifests.unreadable.items():
            self.result.refused.append(Oddity("KB-H02", printable(name), cause))
        return list(groups.values())

    def take(self, session: Session, whole: list[_Candidate]) -> None:
        """Fetch and register these files, all or none; a failure of one file is noted and goes no further."""
        landed: list[tuple[_Candidate, Landed]] = []
        faulty: list[tuple[str, str]] = []  # code and name of what keeps the others from being taken
        for candidate in whole:
            copy = self._fetch(session, candidate)
            if copy and self.plan.manifest and not (candidate.attests or candidate.vouched or copy.sha256 in self.lost):
                self._wait(candidate.file, "KB-H01")  # not the bytes that were lost, after all
                copy.path.unlink(missing_ok=True)
            elif copy is None:
                faulty.append(("KB-H04", candidate.file.name))
            elif self._turned_away(candidate, copy):
                copy.path.unlink(missing_ok=True)
                faulty.append(("KB-H05", candidate.file.name))
            else:
                landed.append((candidate, copy))
        for candidate, copy in landed:
            if faulty:
                code, other = faulty[0]
                self._wait(candidate.file, code, other=printable(other))
                copy.path.unlink(missing_ok=True)
            # When this fails, the file stays for the sweep: the ledger may have the row although its answer was lost.
            elif not self._register(candidate, copy):
                copy.path.unlink(missing_ok=True)

    def _fetch(self, session: Session, candidate: _Candidate) -> Landed | None:
        file = candidate.file
        if (copy := self.ahead.take(file)) is not None:
            return copy
        if _too_large(candidate):
            self._refuse(file, "KB-H07")
            return None
        try:
            return download(session, file.path, self.folder, file.size, expected_mtime=file.mtime)
        except KinbridgeError as error:
            if error.code not in ONE_FILE:
                raise
            if error.code == "KB-D07":
                self._wait(file, "KB-D07")
            else:
                self._refuse(file, error.code)
            return None

    def _turned_away(self, candidate: _Candidate, landed: Landed) -> bool:
        """Whether the file is not what its manifest says; then the ledger has it as refused."""
        vouched = candidate.vouched
        if vouched is None:
            return False
        code = mismatch(vouched.manifest, vouched.listed, landed.size, landed.sha256, candidate.period)
        if code is None:
            return False
        new = self._new(candidate, landed)
        with transaction(self.dsn) as connection:
            if candidate.file.mtime is None and _known_by_name(connection, new, vouched.sha256):
                return True
            delivery = deliveries.register(connection, new, ACTOR)
            if delivery.state is State.DUPLICATE:
                # These bytes were worked on before; a manifest that disagrees with them now changes nothing.
                self.result.duplicates.append(delivery.delivery_id)
                return True
            _note_manifest(connection, delivery.delivery_id, vouched)
            refuse_unread(connection, delivery.delivery_id, MANIFEST_RULE, code, ACTOR)
        self.result.turned_away.append(delivery.delivery_id)
        return True

    def _new(self, candidate: _Candidate, landed: Landed) -> deliveries.NewDelivery:
        file, plan = candidate.file, self.plan
        return deliveries.NewDelivery(
            partner=plan.partner,
            feed=plan.feed,
            file_name=file.name,
            size_bytes=landed.size,
            sha256=identity(file.name, landed.path.read_bytes()) if candidate.attests else landed.sha256,
            remote_mtime=file.moment,
            period=candidate.period,
            as_of=last_day(candidate.period) if candidate.period else self.now.date(),
            landed_path=str(landed.path),
            contract_version=plan.contract_version,
            agreement_id=plan.agreement_id,
            agreement_version=plan.agreement_version,
        )

    def _register(self, candidate: _Candidate, landed: Landed) -> bool:
        """Write the file into the ledger; whether a delivery now owns the landed file."""
        file, new = candidate.file, self._new(candidate, landed)
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
            if delivery.state != State.DUPLICATE and candidate.vouched:
                _note_manifest(connection, delivery.delivery_id, candidate.vouched)
            if delivery.state != State.DUPLICATE and candidate.attests:
                settle(connection, delivery.delivery_id, ACTOR)
        if delivery.state == State.DUPLICATE:
            self.result.duplicates.append(delivery.delivery_id)
            return False
        if candidate.attests:
            self.result.attested.append(delivery.delivery_id)
            return False
        self.result.new.append(delivery.delivery_id)
        return True

    def _own_patterns(self) -> list[NamePattern]:
        """Of the feed's data files, and then of its attestations if it has any."""
        return [NamePattern.of(text) for text in (self.plan.file_pattern, self.plan.nothing) if text]

    def _wants(self, name: str) -> bool:
        """Whether the entry matters here: a file of the feed, or its manifest."""
        manifest = self.plan.manifest
        others = [NamePattern.of(manifest.file_pattern)] if manifest else []
        return any(pattern.fits(name) for pattern in [*self._own_patterns(), *others])

    def _is_lost(self, file: RemoteFile) -> bool:
        """Whether a delivery wants this file again. Its manifest vouched for it once and may be gone by now."""
        stamp = (file.name, file.size, file.moment)
        return any((d.file_name, d.size_bytes, d.remote_mtime) == stamp for d in self.lost.values())

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


def _too_large(candidate: _Candidate) -> bool:
    return candidate.attests and candidate.file.size > LARGEST_BYTES


def _known_by_name(connection: Any, new: deliveries.NewDelivery, manifest: str | None = None) -> bool:
    """Whether a file without a time was met before; one that was refused, only under the same `manifest` (SHA-256)."""
    found = deliveries.find(connection, new.feed, file_name=new.file_name)
    return any(
        delivery.sha256 == new.sha256
        and delivery.remote_mtime is None
        and (
            delivery.state is not State.REFUSED
            or manifest is None
            or (latest_facts(connection, delivery.delivery_id, "manifest") or {}).get("sha256") == manifest
        )
        for delivery in found
    )


def _note_manifest(connection: Any, delivery_id: int, vouched: Vouched) -> None:
    facts = {"file": printable(vouched.name), "sha256": vouched.sha256, "rows": vouched.listed.rows}
    record_event(connection, delivery_id, ACTOR, "manifest", facts)
