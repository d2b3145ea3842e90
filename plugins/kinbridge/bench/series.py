"""The series of runs that `docs/performance.md` shows: each size, clean and with bad rows, beside COPY and dlt.

Sizes and shares are those by which the intake is judged. dlt runs at the smallest size only: a larger one would take it
longer than a person waits, and nothing here is reckoned from another run.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from os import cpu_count, sysconf
from pathlib import Path
from typing import Any

from kinbridge.bench.intake import run_intake
from kinbridge.bench.plot import plot
from kinbridge.bench.report import report

SIZES = (1_000_000, 10_000_000)
BAD_SHARES = (0.0, 0.05)
CHANGE_SHARE = 0.01
FIGURES, PAGE, IMAGE = Path("performance.json"), Path("performance.md"), Path("images/intake.svg")


def run_series(
    docs: Path,
    *,
    sizes: Iterable[int] = SIZES,
    beside: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure every size with every share of bad rows, and write figures, page and plot below `docs`.

    `beside` are ways of dlt, for the smallest size. What has been measured is written after each run, so that a series
    that is broken off is not lost. Raises as `run_intake` does.
    """
    figures: dict[str, Any] = {"machine": machine(), "runs": []}
    chosen = sorted(sizes)
    for rows in chosen:
        for bad_share in BAD_SHARES:
            say(f"--- {rows:,} rows, {bad_share:.0%} bad")
            ways = beside if rows == chosen[0] else ()
            run = run_intake(rows, bad_share=bad_share, change_share=CHANGE_SHARE, beside=ways, say=say)
            figures["runs"].append(run.figures())
            write(docs, figures)
    return figures


def write(docs: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON, the page's part that shows them, and the plot, below `docs`."""
    (docs / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    page = docs / PAGE
    page.write_text(report(page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    (docs / IMAGE).parent.mkdir(exist_ok=True)
    (docs / IMAGE).write_text(plot(figures["runs"]), encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures were measured on, without the machine's name."""
    return {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpus": cpu_count(),
        "processor": _processor(),
        "memory_gib": round(sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or "unknown")
