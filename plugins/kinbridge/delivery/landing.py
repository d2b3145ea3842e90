"""The landing folder of a feed: where collected files wait to be staged, and what a crash may leave there.

Files here hold personal data and belong to a delivery in the ledger. A file without one was left by a run that died
between fetching and registering: it is destroyed, since the partner's own copy is still in the inbox.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kinbridge.delivery.transfer import FINAL_SUFFIX, PART_SUFFIX, make_private

STRAY_AFTER_SECONDS = 900.0


@dataclass(frozen=True)
class Swept:
    """Stray files that were destroyed: how many, and their bytes."""

    files: int = 0
    size: int = 0


def feed_folder(landing: Path, slug: str) -> Path:
    """The feed's own folder, absolute, readable by us only."""
    folder = landing.resolve() / slug
    make_private(landing.resolve())
    make_private(folder)
    return folder


def sweep(folder: Path, owned: Collection[str], now: float, older_than: float = STRAY_AFTER_SECONDS) -> Swept:
    """Destroy files of ours that no delivery owns. Call it under the feed's lock.

    `owned` are the landed paths in the ledger, `now` is epoch seconds. The age is a second fence: it spares the file of
    a run that lost its lock but not its life.
    """
    files = size = 0
    for path in sorted(folder.iterdir()):
        if path.suffix not in {FINAL_SUFFIX, PART_SUFFIX} or str(path) in owned:
            continue
        facts = path.lstat()
        if now - facts.st_mtime >= older_than:
            path.unlink(missing_ok=True)
            files, size = files + 1, size + facts.st_size
    return Swept(files, size)
