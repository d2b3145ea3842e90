"""One preflight from the file to its result."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import tempfile
import threading
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from kinbridge.contract.model import Feed, Reference
from kinbridge.delivery.names import printable
from kinbridge.delivery.plan import NamePattern, NotAMonth, last_day
from kinbridge.errors import KinbridgeError
from kinbridge.ledger.states import ACCEPTED
from kinbridge.preflight.result import Result, read_result
from kinbridge.preflight.sandbox import Sandbox, sandbox
from kinbridge.preflight.siblings import Sibling, in_order, looks_back, unknowable
from kinbridge.preflight.steps import CopiedFile, receive, state_of
from kinbridge.warehouse.connection import Dsn

BLOCK = 1 << 20


@contextlib.contextmanager
def preflight(
    feed: Feed, path: Path, *, siblings: Iterable[Sibling] = (), as_of: date | None = None, today: date
) -> Iterator[Result]:
    """Check one file; its findings can be read while the block lasts, and nothing is left after it.

    `as_of` is the day up to which the file speaks: by default the end of the month in its name, else `today`. The
    file itself is copied and never changed. Raises `KinbridgeError`: KB-P01 no such file, KB-P02 a sibling that has
    nothing to do with the feed; KB-S01 to KB-S27 Postgres; and what the steps of intake raise.
    """
    ordered = in_order(feed, siblings)
    for one in (path, *(sibling.path for sibling in ordered)):
        if not one.is_file():
            raise KinbridgeError("KB-P01", file=printable(one.name))
    # The library takes seconds to import; meanwhile Postgres is made.
    threading.Thread(target=importlib.import_module, args=("great_expectations",), daemon=True).start()
    with sandbox() as place:
        yield check_file(place, feed, path, siblings=ordered, as_of=as_of, today=today)


def check_file(
    place: Sandbox, feed: Feed, path: Path, *, siblings: Iterable[Sibling] = (), as_of: date | None, today: date
) -> Result:
    """Check one file in a sandbox that runs: the siblings first, in the order given, then the file."""
    loaded, held = _load_siblings(place, siblings, today)
    unknown = {r: _reason(r, held) for r in unknowable(feed, loaded)}
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    file = _copy(path, folder)
    day, notes = day_of(feed, path.name, as_of, today)
    if looks_back(feed) and feed.id not in loaded:
        notes += (f"Intake also knows keys of earlier files of this feed: give them with --with {feed.id}=FILE.",)
    delivery_id = receive(place.dsn, feed, file, day, unknown, today)
    return read_result(place.dsn, delivery_id, feed, file=file, unknown=unknown, notes=notes)


def day_of(feed: Feed, name: str, as_of: date | None, today: date) -> tuple[date, tuple[str, ...]]:
    """The day up to which a file speaks, as intake takes it from the name, and remarks about the name."""
    pattern = NamePattern.of(feed.dialect.file_pattern)
    period, notes = None, []
    if not pattern.fits(name):
        notes.append(f"The name does not fit {feed.dialect.file_pattern}: under this name the file is not collected.")
    else:
        try:
            period = pattern.period(name)
        except NotAMonth:
            notes.append("The part of the name that tells the month is no month: the file is not collected.")
    if as_of is None and period is None:
        notes.append(f"The name tells no month: the file is taken to speak of {today}. --as-of sets another day.")
    return as_of or (last_day(period) if period else today), tuple(notes)


def _load_siblings(place: Sandbox, siblings: Iterable[Sibling], today: date) -> tuple[set[str], set[str]]:
    """Load the siblings' files; returns the feeds whose keys are known now, and those of which a file is held."""
    loaded: set[str] = set()
    held: set[str] = set()
    for sibling in siblings:
        folder = Path(tempfile.mkdtemp(dir=place.folder))
        day, _ = day_of(sibling.feed, sibling.path.name, None, today)
        delivery = receive(
            place.dsn, sibling.feed, _copy(sibling.path, folder), day, unknowable(sibling.feed, loaded), today
        )
        (loaded if _settled(place.dsn, delivery) else held).add(sibling.feed.id)
    return loaded, held


def _settled(dsn: Dsn, delivery_id: int) -> bool:
    return state_of(dsn, delivery_id) in ACCEPTED


def _reason(reference: Reference, held: set[str]) -> str:
    if reference.feed in held:
        return f"the file given for {reference.feed} would be held or refused, so its keys are not known"
    return f"the keys come from {reference.feed}: give its file with --with {reference.feed}=FILE"


def _copy(path: Path, folder: Path) -> CopiedFile:
    """Copy the file and reckon its SHA-256 in one pass: what is checked is what was reckoned."""
    digest, size = hashlib.sha256(), 0
    copy = folder / "delivery.landed"
    with path.open("rb") as source, copy.open("xb") as target:
        copy.chmod(0o600)
        while block := source.read(BLOCK):
            digest.update(block)
            target.write(block)
            size += len(block)
    return CopiedFile(printable(path.name), copy, size, digest.hexdigest())
