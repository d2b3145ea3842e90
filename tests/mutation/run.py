"""Takes each gate out in turn and runs the tests that should see it: `python -m tests.mutation.run [--into FILE]`.

Works on a copy of the project, never on the project itself. A gate counts as seen when a test fails without it, not
when tests cannot be collected. First of all the same tests have to pass with every gate in its place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.mutation.gates import Gate, declared_gates

HOME = Path(__file__).resolve().parents[2]
SECONDS = 900
PAGE = """# Gates, taken out one by one

What `make mutation` wrote: each gate was removed from the code, and the tests named were run. A gate whose removal no
test sees would be a gate that can be lost unseen.

| where | gate | removed from | seen by |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Seen:
    """What the tests said without a gate: the first that failed, or None when all of them passed."""

    gate: Gate
    by: str | None


class NotRun(Exception):
    """Tests that did not run to their end; nothing follows from them."""


def copied(target: Path) -> Path:
    """A copy of the project's files at `target`: those that git knows, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HOME,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (HOME / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOME / name, target / name)
    return target


def failures(project: Path, tests: tuple[str, ...]) -> list[str]:
    """The tests that fail in this copy of the project. Raises `NotRun` when they cannot be collected, or hang."""
    report = project / "mutation.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    path = os.pathsep.join([str(project / "plugins"), str(project)])
    try:
        run = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"not done after {SECONDS} s") from None
    if run.returncode not in {0, 1} or not report.is_file():
        raise NotRun(run.stdout.decode(errors="replace")[-2000:])
    return list(_failed(report))


def _failed(report: Path) -> Iterator[str]:
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None:
            yield f"{case.get('classname')}::{case.get('name')}".removeprefix("tests.")
        elif case.find("error") is not None:
            raise NotRun(f"{case.get('name')}: an error outside the test")


def without(project: Path, gate: Gate) -> Seen:
    """What the gate's tests say when it is taken out of this copy; it is put back afterwards."""
    file = project / gate.file
    text = file.read_text(encoding="utf-8")
    file.write_text(gate.removed_from(text), encoding="utf-8")
    try:
        failed = failures(project, gate.tests)
    finally:
        file.write_text(text, encoding="utf-8")
    return Seen(gate, failed[0] if failed else None)


def page(seen: list[Seen]) -> str:
    """The table as Markdown."""
    rows = [
        f"| {one.gate.stage} | {one.gate.name} | `{one.gate.file}` | {f'`{one.by}`' if one.by else '**nothing**'} |"
        for one in seen
    ]
    return PAGE + "\n".join(rows) + "\n"


def main() -> int:
    """Run all gates, or those whose name holds `--only`; exit 1 when one is not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="write the table there")
    parser.add_argument("--only", default="", help="gates whose name holds this text")
    arguments = parser.parse_args()
    gates = [gate for gate in declared_gates() if arguments.only in gate.name]
    with tempfile.TemporaryDirectory(prefix="kinbridge-mutation-") as folder:
        project = copied(Path(folder) / "project")
        tests = tuple(sorted({test for gate in gates for test in gate.tests}))
        if failed := failures(project, tests):
            print(f"With every gate in its place {failed[0]} fails: nothing can be said.")
            return 1
        seen = []
        for gate in gates:
            seen.append(without(project, gate))
            print(f"{gate.stage:8} {gate.name}: {seen[-1].by or 'NOT SEEN'}", flush=True)
    if arguments.into:
        arguments.into.write_text(page(seen), encoding="utf-8")
    unseen = sum(1 for one in seen if one.by is None)
    print(f"{len(seen) - unseen} of {len(seen)} gates are seen by a test.")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
