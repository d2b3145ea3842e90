"""dlt, which the benchmark sets beside the intake: installed into an environment of its own, run on the same file.

dlt does less: it reads a local file into one table, by its key, and neither validates nor keeps history nor accounts
for rows. Its seconds are those of its own run, without starting Python and without imports.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from kinbridge.bench import peer_merge
from kinbridge.bundled.process import bare_environment
from kinbridge.errors import KinbridgeError
from kinbridge.warehouse.connection import Dsn

NAME = "dlt"
REQUIREMENTS = ("dlt[postgres]", "pyarrow")
WAYS = ("arrow", "rows")


def ways_of(name: str | None) -> tuple[str, ...]:
    """The ways in which to run what `--beside` names. Raises KB-B04 when it names something else than dlt."""
    if name not in (None, NAME):
        raise KinbridgeError("KB-B04", name=name)
    return WAYS if name else ()


def install(folder: Path) -> Path:
    """Make an environment with dlt below `folder` with uv; returns its Python. Raises KB-B03 when that fails."""
    uv = Path(sys.executable).parent / "uv"
    command = str(uv) if uv.exists() else shutil.which("uv")
    if command is None:
        raise KinbridgeError("KB-B03", step="finding uv", status="none")
    python = folder / "bin" / "python"
    _run("making an environment", [command, "venv", "--quiet", "--python", sys.executable, str(folder)])
    _run("installing dlt", [command, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS])
    return python


def merge(python: Path, way: str, file: Path, key: str, dsn: Dsn) -> dict[str, Any]:
    """Merge the file with dlt, in one of `WAYS`, into what an earlier call has left there.

    Returns `version`, `seconds`, and `rows`: how many the table has. Raises KB-B03 when it fails.
    """
    given = {
        "way": way,
        "file": str(file),
        "key": key,
        "url": dsn.to_url(),
        "folder": str(python.parents[1] / f"merge-{way}"),
    }
    command = [str(python), "-P", str(Path(peer_merge.__file__))]
    answer = _run(f"merging with dlt ({way})", command, given=json.dumps(given), environment=bare_environment())
    # dlt may print lines of its own before.
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def _run(step: str, command: list[str], *, given: str = "", environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, env=environment or None, check=False)
    if done.returncode:
        raise KinbridgeError("KB-B03", step=step, status=done.returncode)
    return done.stdout
