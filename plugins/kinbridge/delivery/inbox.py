"""What lies in a partner's inbox: the files that are wanted, and entries that nobody should overlook.

One odd name must not hide the others, and an odd entry must not be passed over in silence: it becomes an `Oddity`.
Only wanted files are kept, so that memory does not grow with whatever else the folder holds.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kinbridge.delivery.names import printable, readable
from kinbridge.delivery.session import Entry, Session
from kinbridge.errors import KinbridgeError

LISTING_SECONDS = 300.0
MOST_ENTRIES = 1_000_000
MOST_ODDITIES = 100

_KINDS = {
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


@dataclass(frozen=True)
class RemoteFile:
    """A regular file in a remote folder. `size` in bytes; `mtime` in epoch seconds, None when the server gives none."""

    folder: str
    name: str
    size: int
    mtime: int | None

    @property
    def path(self) -> str:
        """The path on the partner's server."""
        return f"{self.folder}/{self.name}"

    @property
    def moment(self) -> datetime | None:
        """The server's time of the file."""
        return None if self.mtime is None else datetime.fromtimestamp(self.mtime, UTC)


@dataclass(frozen=True)
class Oddity:
    """An entry that is not taken: its catalogue code, its name made printable, and why."""

    code: str
    file: str
    cause: str


@dataclass
class Listing:
    """A listed folder. `oddities` holds the first `MOST_ODDITIES`; `odd` counts all of them, `seen` all entries."""

    files: list[RemoteFile] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    odd: int = 0
    seen: int = 0

    def flag(self, oddity: Oddity) -> None:
        """Count an oddity, and keep it while there is room."""
        self.odd += 1
        if len(self.oddities) < MOST_ODDITIES:
            self.oddities.append(oddity)


def list_inbox(
    session: Session,
    folder: str,
    wanted: Callable[[str], bool] | None = None,
    *,
    of_a_file: Callable[[str], bool] | None = None,
) -> Listing:
    """List `folder`, keeping regular files whose name is `wanted` (all, by default).

    Subfolders are ignored, unless their name should be that `of_a_file`. Raises KB-D04, KB-D05 (the folder is missing
    or closed to us) or KB-D14 (more than `MOST_ENTRIES` entries).
    """
    listing = Listing()
    action = f"listing {printable(folder)}"
    try:
        with session.bounded(action, LISTING_SECONDS):
            for batch in session.entries(folder):
                # An answer without entries counts too: a server that sends only those would never come to an end.
                listing.seen += max(len(batch), 1)
                if listing.seen > MOST_ENTRIES:
                    raise KinbridgeError(
                        "KB-D14", partner=session.partner, folder=printable(folder), limit=MOST_ENTRIES
                    )
                for entry in batch:
                    _sort_in(listing, folder, entry, wanted, of_a_file)
    except FileNotFoundError:
        cause = "there is no such folder"
        raise KinbridgeError("KB-D05", partner=session.partner, action=action, cause=cause) from None
    return listing


def _sort_in(
    listing: Listing,
    folder: str,
    entry: Entry,
    wanted: Callable[[str], bool] | None,
    of_a_file: Callable[[str], bool] | None,
) -> None:
    shown = printable(entry.raw_name)
    name, cause = readable(entry.raw_name)
    if entry.kind == stat.S_IFDIR or entry.raw_name in {b".", b".."}:
        if name is not None and of_a_file is not None and of_a_file(name):
            listing.flag(Oddity("KB-D13", shown, "it is a folder"))
    elif name is None:
        listing.flag(Oddity("KB-D12", shown, cause))
    elif entry.kind not in {None, stat.S_IFREG}:
        listing.flag(Oddity("KB-D13", shown, _KINDS.get(entry.kind or 0, "it is of an unknown kind")))
    elif wanted is None or wanted(name):
        if entry.size is None:
            listing.flag(Oddity("KB-D13", shown, "the server gives no size"))
        else:
            listing.files.append(RemoteFile(folder, name, entry.size, entry.mtime))
