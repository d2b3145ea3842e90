"""Whether a delivery with a manifest is there whole: the manifests of an inbox, and what the ledger knows of them.

Reads the partner's manifests over the open session and asks the ledger; it takes no data file and changes nothing. A
manifest's copy is destroyed as soon as it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from kinbridge.contract.model import ManifestTerms
from kinbridge.delivery.inbox import RemoteFile
from kinbridge.delivery.names import printable
from kinbridge.delivery.plan import NamePattern, NotAMonth
from kinbridge.delivery.session import Session
from kinbridge.delivery.transfer import download
from kinbridge.errors import KinbridgeError
from kinbridge.manifest.model import REASONS, Listed, Manifest
from kinbridge.manifest.read import LARGEST_BYTES, SIDECAR, NotAManifest, read_manifest

LOOKING_SECONDS = 60.0


@dataclass(frozen=True)
class Vouched:
    """What a manifest says of one file: the manifest's name, the SHA-256 of its bytes, and its entry of the file."""

    name: str
    sha256: str
    manifest: Manifest
    listed: Listed


@dataclass(frozen=True)
class Obstacle:
    """Why the other files of a manifest have to wait: a code of the catalogue, and the name of the file at fault."""

    code: str
    name: str


_Read = tuple[Manifest, str, dict[str, Listed]]


@dataclass
class Manifests:
    """The manifests of one feed that rest in the inbox, each read once and only when it is needed.

    `files` are the manifests, `beside` what rests in the inbox of the feed's own files, by name; `stale` are those of
    them that cannot be taken now. `unreadable` holds the name and the cause of each that was read and is none.
    """

    partner: str
    terms: ManifestTerms
    folder: Path
    files: dict[str, RemoteFile]
    beside: dict[str, RemoteFile]
    stale: set[str]
    unreadable: dict[str, str] = field(default_factory=dict)
    _by_period: dict[date | None, list[RemoteFile]] = field(default_factory=dict)
    _read: dict[str, _Read | None] = field(default_factory=dict)
    _found: dict[str, list[Obstacle]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pattern = NamePattern.of(self.terms.file_pattern)
        for file in sorted(self.files.values(), key=lambda one: (-(one.mtime or 0), one.name)):
            self._by_period.setdefault(_period(pattern, file.name), []).append(file)

    def vouching(self, session: Session, name: str, period: date | None) -> Vouched | None:
        """The manifest that lists the file of that name, the newest if there are several; None when none does.

        A file has its own sidecar, or else a manifest of its period or of none.
        """
        sidecar = self.files.get(name + SIDECAR)
        likely = [sidecar] if sidecar else [f for key in {period, None} for f in self._by_period.get(key, [])]
        vouching = [
            Vouched(file.name, found[1], found[0], found[2][name])
            for file in likely
            if (found := self._manifest(session, file)) and name in found[2]
        ]
        return max(vouching, key=lambda one: self.files[one.name].mtime or 0, default=None)

    def obstacle(self, session: Session, connection: Any, vouched: Vouched) -> Obstacle | None:
        """What keeps the file from being taken: another file that is not there, or is not what the manifest says.

        A file that was collected before counts as there, for partners clear their inboxes.
        """
        if vouched.sha256 not in self._found:
            self._found[vouched.sha256] = self._obstacles(session, connection, vouched)
        return next((one for one in self._found[vouched.sha256] if one.name != vouched.listed.name), None)

    def _obstacles(self, session: Session, connection: Any, vouched: Vouched) -> list[Obstacle]:
        files = vouched.manifest.files
        had, refused = _in_ledger(connection, self.partner, files, vouched.sha256)
        obstacles = []
        for listed in files:
            if listed.name in had:
                continue
            file = self.beside.get(listed.name) or self._elsewhere(session, vouched, listed.name)
            if file is None:
                obstacles.append(Obstacle("KB-H04", listed.name))
            elif listed.size not in {None, file.size} or (file.name, file.size, file.moment) in refused:
                obstacles.append(Obstacle("KB-H05", listed.name))
            elif listed.name in self.stale:
                obstacles.append(Obstacle("KB-H04", listed.name))
        return obstacles

    def _elsewhere(self, session: Session, vouched: Vouched, name: str) -> RemoteFile | None:
        """A listed file that is not of this feed, as it lies in the inbox."""
        folder = self.files[vouched.name].folder
        try:
            with session.bounded(f"looking for {printable(name)}", LOOKING_SECONDS):
                entry = session.describe(f"{folder}/{name}")
        except FileNotFoundError:
            return None
        return None if entry.size is None else RemoteFile(folder, name, entry.size, entry.mtime)

    def _manifest(self, session: Session, file: RemoteFile) -> _Read | None:
        if file.name not in self._read:
            try:
                self._read[file.name] = self._fetch(session, file)
            except NotAManifest as error:
                self._read[file.name] = None
                self.unreadable[file.name] = str(error)
        return self._read[file.name]

    def _fetch(self, session: Session, file: RemoteFile) -> _Read | None:
        if file.size > LARGEST_BYTES:
            raise NotAManifest(f"it has more than {LARGEST_BYTES} bytes")
        try:
            landed = download(session, file.path, self.folder, file.size, expected_mtime=file.mtime)
        except KinbridgeError as error:
            if error.code in {"KB-D06", "KB-D07", "KB-D08", "KB-D13"}:
                return None  # it is being replaced: the next run meets it again
            raise
        try:
            manifest = read_manifest(landed.path.read_bytes(), self.terms.format, file.name)
            return manifest, landed.sha256, {listed.name: listed for listed in manifest.files}
        finally:
            landed.path.unlink(missing_ok=True)


def refused_under(connection: Any, feed: str) -> dict[tuple[str, int, Any], set[str]]:
    """Files that were refused because of their manifest and not taken since: the manifests' SHA-256, by file.

    A file is its name, its size in bytes and its time on the partner's server (None where that gives none).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                refused.file_name,
                refused.size_bytes,
                refused.remote_mtime,
                event.facts ->> 'sha256' AS manifest
            FROM ledger.delivery AS refused
            INNER JOIN ledger.event AS event
                ON refused.delivery_id = event.delivery_id AND event.what = 'manifest'
            WHERE
                refused.feed = %(feed)s
                AND refused.state = 'refused'
                AND refused.state_reason = ANY(%(reasons)s)
                AND NOT EXISTS (
                    SELECT 1
                    FROM ledger.delivery AS later
                    WHERE
                        later.feed = refused.feed
                        AND later.file_name = refused.file_name
                        AND later.size_bytes = refused.size_bytes
                        AND later.remote_mtime IS NOT DISTINCT FROM refused.remote_mtime
                        AND later.delivery_id > refused.delivery_id
                        AND (later.state <> 'refused' OR later.state_reason <> ALL(%(reasons)s))
                )
            """,
            {"feed": feed, "reasons": list(REASONS)},
        )
        found: dict[tuple[str, int, Any], set[str]] = {}
        for name, size, mtime, manifest in cursor.fetchall():
            found.setdefault((name, size, mtime), set()).add(manifest)
    return found


def _in_ledger(
    connection: Any, partner: str, files: Iterable[Listed], manifest: str
) -> tuple[set[str], set[tuple[str, int, Any]]]:
    """The names of the files that the ledger has had with the listed bytes, and the files refused under the manifest.

    A refused file that was replaced since is another one, so it is its name, its size and its time.
    """
    sums = {file.name: file.sha256 for file in files}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                delivery.file_name,
                delivery.size_bytes,
                delivery.remote_mtime,
                delivery.sha256,
                coalesce(delivery.state = 'refused' AND delivery.state_reason = ANY(%s), FALSE) AS turned_away,
                event.facts ->> 'sha256' AS manifest
            FROM ledger.delivery AS delivery
            LEFT JOIN ledger.event AS event
                ON delivery.delivery_id = event.delivery_id AND event.what = 'manifest'
            WHERE
                delivery.partner = %s
                AND delivery.file_name = ANY(%s)
            ORDER BY delivery.delivery_id
            """,
            (list(REASONS), partner, list(sums)),
        )
        rows = cursor.fetchall()
    had = {name for name, _, _, sha256, turned_away, _ in rows if not turned_away and sha256 == sums[name]}
    refused = {(name, size, at) for name, size, at, _, turned_away, under in rows if turned_away and under == manifest}
    return had, refused


def _period(pattern: NamePattern, name: str) -> date | None:
    try:
        return pattern.period(name)
    except NotAMonth:
        return None
