"""The clear text of a delivered file, for as long as it is staged.

Where the agreement asks for OpenPGP, the landed file stays as it was sent, and its clear text is written to a file that
has no name from its first byte on: what is left for the file system to find is a symbolic link to our own handle, which
leads nowhere in any other process. So no clear text outlives the process, however that ends; a link that a kill left is
swept like a half download.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from kinbridge.agreement.model import OpenPgp
from kinbridge.delivery.names import printable
from kinbridge.delivery.transfer import PART_SUFFIX, RESERVE_BYTES
from kinbridge.errors import KinbridgeError
from kinbridge.format.container import INFLATED_BYTES, INFLATED_RATIO, LITTLE_BYTES
from kinbridge.openpgp.keys import our_key, pinned
from kinbridge.openpgp.opening import Outcome, Task

# The outcomes that are the sender's: the delivery is refused for them.
REFUSALS = {
    Outcome.NOT_ENCRYPTED: "KB-H10",
    Outcome.UNSIGNED: "KB-H11",
    Outcome.OTHER_SIGNER: "KB-H12",
    Outcome.INVALID_KEY: "KB-H13",
    Outcome.DAMAGED: "KB-H14",
    Outcome.TOO_BIG: "KB-H15",
    Outcome.COMPRESSED: "KB-H18",
}
# Those that are ours to mend: the delivery stays as it is.
OURS = {
    Outcome.OUR_KEY: "our secret key cannot be used, perhaps because it has a passphrase or has expired",
    Outcome.OUR_DISK: "the disk is full, or failed",
}


@contextmanager
def clear_file(path: Path, terms: OpenPgp | None, partner: str, file_name: str) -> Iterator[Path]:
    """The file to read instead of the landed one at `path`; that one itself where nothing is agreed, or it is gone.

    Its integrity and its signature have been checked to the end before it is given out. `file_name` is the partner's
    name of the file. Raises `KinbridgeError`: a code of `REFUSALS` when the file is to be refused, KB-H16 when a pinned
    key is missing here, KB-H17 when our own key or room on the disk is.
    """
    if terms is None or not path.is_file():
        yield path
        return
    certificates = tuple(bytes(certificate).hex() for certificate in pinned(partner, terms.signed_by))
    key = str(our_key(partner)) if terms.encrypted else None
    most, short = _most(path)
    name = path.parent / f"{uuid.uuid4().hex}{PART_SUFFIX}"
    handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        name.unlink()
        task = Task(str(path), f"/proc/self/fd/{handle}", key, certificates, most)
        outcome = _run(task, handle, partner)
        if outcome is Outcome.TOO_BIG and short:
            outcome = Outcome.OUR_DISK
        if outcome in OURS:
            raise KinbridgeError("KB-H17", partner=partner, cause=OURS[outcome])
        if outcome is not Outcome.OPENED:
            raise KinbridgeError(REFUSALS[outcome], partner=partner, file=printable(file_name))
        name.symlink_to(task.clear)
        yield name
    finally:
        os.close(handle)
        name.unlink(missing_ok=True)


def _most(path: Path) -> tuple[int, bool]:
    """How many bytes of clear text there may be, and whether it is the disk that allows no more."""
    taken = min(INFLATED_BYTES, max(LITTLE_BYTES, INFLATED_RATIO * path.stat().st_size))
    free = max(shutil.disk_usage(path.parent).free - RESERVE_BYTES, 0)
    return min(taken, free), free < taken


def _run(task: Task, handle: int, partner: str) -> Outcome:
    """Open the message in a process of its own, which gets the file without a name and nothing else of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "kinbridge.openpgp.opening"],
        input=json.dumps(asdict(task)).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(handle,),
        # Where our modules are, and none of the secrets that an environment may hold.
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": os.environ.get("PATH", os.defpath)},
        check=False,
    )
    try:
        return Outcome(done.stdout.decode())
    except ValueError:
        raise KinbridgeError("KB-H17", partner=partner, cause="the process that opens messages ended early") from None
