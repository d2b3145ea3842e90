"""How long `kinbridge link files` takes beside a bare Splink model of the same records.

Both run as whole processes, alternating, so that what else the machine does falls on both: from the start of Python to
the written file. Input: the configuration of `link files`; output: wall and processor seconds, peak memory, and the
ratios. `link_peer` says what the bare model is. Nothing of the records is printed or kept.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinbridge.bench import link_peer
from kinbridge.errors import KinbridgeError
from kinbridge.linkage.file_sources import FileSources, read_file_sources

PEER = "splink"
OURS = "kinbridge"


@dataclass(frozen=True)
class Run:
    """One process: seconds by the clock, seconds of the processor, and peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Beside:
    """The runs of each, in their order."""

    ours: tuple[Run, ...]
    peer: tuple[Run, ...]

    def to_table(self) -> str:
        """The medians of both and their ratios, as text."""
        lines = [f"{'':12}{'wall, s':>10}{'CPU, s':>10}{'MiB':>8}"]
        medians = {name: _median(runs) for name, runs in ((OURS, self.ours), (PEER, self.peer)) if runs}
        lines += [f"{name:12}{run.wall:10.2f}{run.cpu:10.2f}{run.memory:8.0f}" for name, run in medians.items()]
        if self.peer:
            ours, peer = medians[OURS], medians[PEER]
            lines.append(
                f"{'ratio':12}{ours.wall / peer.wall:10.2f}{ours.cpu / peer.cpu:10.2f}{ours.memory / peer.memory:8.2f}"
            )
        return "\n".join(lines)


def run_link(config: Path, *, beside: str | None, runs: int, say: Callable[[str], None] = lambda _: None) -> Beside:
    """Run both `runs` times after one run each that is not counted, which fills caches and compiles modules.

    Raises `KinbridgeError` KB-B04 when `beside` is something else than splink, KB-B05 when a run fails, and KB-K02
    when the configuration has a mistake.
    """
    if beside not in (None, PEER):
        raise KinbridgeError("KB-B04", name=beside)
    given = json.dumps(_as_peer(read_file_sources(config)))
    found: dict[str, list[Run]] = {OURS: [], PEER: []}
    with tempfile.TemporaryDirectory() as folder:
        commands = {OURS: [_command(), "link", "files", "--config", str(config), "--out", folder]}
        if beside:
            commands[PEER] = [sys.executable, "-P", link_peer.__file__, given, str(Path(folder) / "peer.csv")]
        for number in range(runs + 1):
            for name, command in commands.items():
                run = _measured(name, command)
                say(f"{name} {'(not counted)' if number == 0 else number}: {run.wall:.2f} s, {run.cpu:.2f} s of CPU")
                if number:
                    found[name].append(run)
    return Beside(tuple(found[OURS]), tuple(found[PEER]))


def _command() -> str:
    return str(Path(sys.executable).parent / "kinbridge")


def _as_peer(sources: FileSources) -> list[dict[str, object]]:
    return [
        {
            "name": source.name,
            "file": str(source.file),
            "id": source.id,
            "columns": {ours: list(given.theirs) for ours, given in source.columns.items()},
            "format": source.columns["birth_date"].format if "birth_date" in source.columns else None,
        }
        for source in sources.sources
    ]


def _measured(name: str, command: list[str]) -> Run:
    # Compiled modules are kept, as they are wherever the command is used more than once.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise KinbridgeError("KB-B05", name=name, status=process.returncode)
    # Linux counts peak memory in KiB.
    return Run(time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _median(runs: tuple[Run, ...]) -> Run:
    return Run(*(statistics.median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "memory")))
