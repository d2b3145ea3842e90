"""Files that are fetched while they rest, so that the wait between two looks at them is no idle one.

A copy counts only when the second look, after it was made, finds the file as the first one did. Until then it is a
stray: what is not taken is removed, and what a killed run leaves is swept like any other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kinbridge.delivery.inbox import RemoteFile
from kinbridge.delivery.session import Session
from kinbridge.delivery.transfer import Landed, download
from kinbridge.errors import KinbridgeError


@dataclass
class Ahead:
    """Copies in `folder`, by the remote file that they are of."""

    folder: Path
    copies: dict[RemoteFile, Landed] = field(default_factory=dict)

    def fetch(self, session: Session, files: Iterable[RemoteFile], until: float, one_file: Iterable[str]) -> None:
        """Fetch these files, one after the other, as long as another can begin before `until` (monotonic seconds).

        Failures with a code of `one_file` are passed over, and where this machine has no room nothing more is fetched:
        who fetches the file in earnest meets them again, once the copies that did arrive are registered.
        """
        for file in files:
            if time.monotonic() >= until:
                return
            try:
                self.copies[file] = download(session, file.path, self.folder, file.size, expected_mtime=file.mtime)
            except KinbridgeError as error:
                if error.code == "KB-D09":
                    return
                if error.code not in one_file:
                    raise

    def take(self, file: RemoteFile) -> Landed | None:
        """The copy of exactly this file, if there is one; it is the caller's from now on."""
        return self.copies.pop(file, None)

    def drop(self) -> None:
        """Remove what nobody took."""
        for copy in self.copies.values():
            copy.path.unlink(missing_ok=True)
        self.copies.clear()
