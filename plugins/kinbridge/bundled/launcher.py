"""Become another user, then the program: how Postgres is started by root.

Postgres refuses to run as root. Run as a program of its own (`python -I launcher.py --user UID:GID --needs PATH...
-- COMMAND...`), this gives up root for good and executes the command. When the needed paths are closed to that user
(a clone below a home folder of mode 0700), the program keeps one capability that lets it read past them, so that no
permission of a folder outside ours has to be opened. Exit code 120 says that even this is not possible.

It imports nothing of ours and must never run the command as root.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from pathlib import Path

IMPOSSIBLE = 120

# prctl(2), capabilities(7)
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def become(uid: int, gid: int, needs: list[Path]) -> None:
    """Give up root for `uid`, keeping the ability to read the needed paths and no other.

    Raises `PermissionError` when the paths are closed and no capability can be kept.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rights = {path: os.R_OK | (os.X_OK if path.is_dir() else 0) for path in needs}
    capability = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if _in_bounds(libc, c)), None)
    _call(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # access(2) asks for the real user and, once that is not root, without capabilities: the answer is the user's own.
    if all(os.access(path, right) for path, right in rights.items()):
        _set_capabilities(libc)
        return
    if capability is None:
        raise PermissionError("the files are closed to this user and no capability opens them")
    # Without this bit access(2), by which initdb looks for its programs, would leave the capability out of account.
    _set_capabilities(libc, capability, CAP_SETPCAP)
    _call(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    _set_capabilities(libc, capability)
    _call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def _in_bounds(libc: ctypes.CDLL, capability: int) -> bool:
    return bool(libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)


def _set_capabilities(libc: ctypes.CDLL, *capabilities: int) -> None:
    """Keep exactly these capabilities."""
    mask = sum(1 << capability for capability in capabilities)
    header = _Header(CAPABILITY_VERSION_3, 0)
    # Two records: capabilities 0 to 31 and 32 to 63.
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    _call(libc.capset(ctypes.byref(header), sets))


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, os.strerror(number))


def main(arguments: list[str]) -> int:
    """Run the launcher; returns only when it cannot become the user or the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", required=True, help="UID:GID")
    parser.add_argument("--needs", action="append", default=[], type=Path)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    uid, gid = (int(part) for part in options.user.split(":"))
    if uid == 0:
        parser.error("the command may not run as root")
    try:
        become(uid, gid, options.needs)
        os.execv(options.command[0], options.command)
    except OSError as error:
        print(f"launcher: {error.strerror or error}", file=sys.stderr)
    return IMPOSSIBLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
