"""Daemons of this machine: start one in a session of its own, know it again, stop it and nothing else.

A pid file holds more than the pid: the boot and the start time that the kernel gives for the process (proc(5), stat
field 22). A pid that was handed to another program since is therefore never taken for ours, and never signalled.
What must never happen here: a secret in a command line, or a signal to a process that we did not start.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.secret_file import write_private

HOST = "127.0.0.1"
POLL_SECONDS = 0.05
LOCK_SECONDS = 180.0

# Children of this very process: they stay zombies until they are polled.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Daemon:
    """One process: `started` is in clock ticks since boot, `boot` the kernel's id of that boot."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class _Stat:
    state: str
    session: int
    started: int


def describe(pid: int) -> Daemon | None:
    """The live process with this pid, or None when there is none (a zombie counts as none)."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    stat = _stat(pid)
    return None if stat is None or stat.state in "ZX" else Daemon(pid, stat.started, _boot())


def alive(daemon: Daemon) -> bool:
    """Whether this very process, and not another one with its pid, still runs."""
    return describe(daemon.pid) == daemon


def read_pid_file(pid_file: Path) -> Daemon | None:
    """The process that the file speaks of if it still runs, else None."""
    recorded = _recorded(pid_file)
    return recorded if recorded is not None and alive(recorded) else None


def write_pid_file(pid_file: Path, daemon: Daemon) -> None:
    """Record a process so that `read_pid_file` and `stop` know it again."""
    write_private(pid_file, json.dumps(asdict(daemon)) + "\n")


def spawn(
    command: Sequence[str],
    *,
    service: str,
    pid_file: Path,
    log: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Daemon:
    """Start `command` in a session of its own, working in `folder`, both outputs appended to `log` (mode 0600).

    `environment` is the whole environment; by default it is a bare one, so that no secret of ours is inherited.
    Raises KB-S02 when the program cannot be started at all.
    """
    descriptor = open_log(log)
    try:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=folder,
            env=dict(bare_environment() if environment is None else environment),
            start_new_session=True,
            umask=0o077,
        )
    except OSError:
        raise KinbridgeError("KB-S02", service=service, log=log) from None
    finally:
        os.close(descriptor)
    _children[child.pid] = child
    daemon = describe(child.pid)
    if daemon is None:
        raise KinbridgeError("KB-S02", service=service, log=log)
    write_pid_file(pid_file, daemon)
    return daemon


def open_log(log: Path) -> int:
    """A descriptor that appends to the log, which only we may read; close it after use."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def stop(
    pid_file: Path,
    *,
    service: str,
    signals: Sequence[signal.Signals] = (signal.SIGTERM,),
    grace: float = 20.0,
) -> bool:
    """Stop the recorded process with each signal in turn (`grace` seconds each), then SIGKILL its whole session.

    Returns whether something was running. Raises KB-S10 when it survives even that. The pid file is gone afterwards.
    """
    recorded = _recorded(pid_file)
    if recorded is None:
        pid_file.unlink(missing_ok=True)
        return False
    was_running = alive(recorded)
    for number in signals:
        if not alive(recorded):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(recorded.pid, number)
        wait_while(lambda: alive(recorded), timeout=grace)
    leftover = _session(recorded)
    for pid in leftover:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not wait_while(lambda: bool(_session(recorded)), timeout=grace):
        raise KinbridgeError("KB-S10", service=service, pid=recorded.pid)
    pid_file.unlink(missing_ok=True)
    return was_running or bool(leftover)


def free_port(preferred: int | None = None) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on: the preferred one if it is free, else one the kernel picks."""
    for port in (preferred or 0, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: a port whose last connections are still in TIME_WAIT is free, one with a listener is not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, OverflowError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise KinbridgeError("KB-S11", host=HOST)


def wait_until_ready(
    ready: Callable[[], bool], *, daemon: Daemon, service: str, log: Path, timeout: float = 60.0
) -> None:
    """Wait until `ready()`; raises KB-S02 when the process dies meanwhile, KB-S03 after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive(daemon):
            raise KinbridgeError("KB-S02", service=service, log=log)
        if time.monotonic() > deadline:
            raise KinbridgeError("KB-S03", service=service, seconds=int(timeout), log=log)
        time.sleep(POLL_SECONDS)


def serves(ready: Callable[[], bool], *, daemon: Daemon, service: str, log: Path, timeout: float = 60.0) -> bool:
    """Whether a daemon that we found serves, or comes to; False when it ends, as one does that was just killed."""
    try:
        wait_until_ready(ready, daemon=daemon, service=service, log=log, timeout=timeout)
    except KinbridgeError:
        if alive(daemon):
            raise
        return False
    return True


def wait_while(condition: Callable[[], bool], *, timeout: float) -> bool:
    """Wait as long as the condition holds; whether it ended within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextlib.contextmanager
def locked(folder: Path, service: str) -> Iterator[None]:
    """Hold the folder's lock, so that two starts at once wait for each other. Raises KB-S12 after minutes."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:

        def taken() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

        if not wait_while(taken, timeout=LOCK_SECONDS):
            raise KinbridgeError("KB-S12", service=service, folder=folder)
        yield
    finally:
        os.close(descriptor)


def bare_environment() -> dict[str, str]:
    """The least a daemon needs: where programs are, plain messages, and UTC."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def processes() -> Iterator[int]:
    """The pids of this machine, as far as we may see them."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _recorded(pid_file: Path) -> Daemon | None:
    """What the file says, whether or not it still runs; None when there is no file or it is torn."""
    try:
        return Daemon(**json.loads(pid_file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _session(leader: Daemon) -> list[int]:
    """The live processes of the leader's session, itself included.

    The kernel gives nobody a pid that is still the id of a session. So when a process with the leader's pid exists
    and is not the leader, the session is over and everything in it is a stranger's.
    """
    holder = _stat(leader.pid)
    if leader.boot != _boot() or (holder is not None and holder.started != leader.started):
        return []
    members = ((pid, _stat(pid)) for pid in processes())
    return [pid for pid, stat in members if stat and stat.session == leader.pid and describe(pid) is not None]


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command stands in brackets and may itself hold brackets and spaces; what follows the last one is regular.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
