"""Writes the benchmark's figures into `docs/performance.md`, between two marks. Pure: text and figures in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
STAGES = ("collect", "stage", "validate", "load", "receipt")
# How the intake is judged.
MOST_COPIES, LEAST_TO_PEER, MOST_GROWTH, MOST_MEBIBYTES, MOST_CHANGE = 12, 10, 11, 300, 0.1


def report(page: str, figures: dict[str, Any]) -> str:
    """The page with these figures in place of those that it had.

    `figures` are `machine` and `runs`, as `series.run_series` makes them. Raises `ValueError` when the page lacks the
    marks.
    """
    head, _, rest = page.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError("the page has no place for the figures")
    return f"{head}{BEGIN}\n\n{_measured(figures)}\n\n{END}{tail}"


def _measured(figures: dict[str, Any]) -> str:
    machine, runs = figures["machine"], figures["runs"]
    about = (
        f"Measured on {machine['day']}: {machine['cpus']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}."
    )
    parts = [
        about,
        "\n".join(_intake(runs)),
        "\n".join(_steps(runs)),
        "\n".join(_beside(runs)),
        "\n".join(_goals(runs)),
    ]
    return "\n\n".join(part for part in parts if part)


def _intake(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| rows | bad | bare COPY, s | intake, s | x COPY | computed, s | x COPY "
        "| 1 % changed, s | of the whole | memory, MiB |"
    )
    yield f"|{'---:|' * 10}"
    for run in runs:
        cells = [
            _name(run),
            f"{run['copy_s']:.1f}",
            f"{run['total_s']:.1f}",
            f"{run['ratio_to_copy']:.1f}",
            f"{run['cpu_s']:.1f}",
            f"{run['cpu_s'] / run['copy_cpu_s']:.1f}" if run["copy_cpu_s"] else "",
            f"{run['changes_s']:.1f}",
            f"{run['changes_s'] / run['total_s']:.0%}",
            f"{run['worker_peak_mib']:.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _steps(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield f"| rows | bad | {' | '.join(f'{stage}, s' for stage in STAGES)} | of these waiting, s |"
    yield f"|---:|---:|{'---:|' * (len(STAGES) + 1)}"
    for run in runs:
        times = " | ".join(f"{run['stages_s'][stage]:.1f}" for stage in STAGES)
        yield f"| {_name(run)} | {times} | {run['waiting_s']:.1f} |"


def _beside(runs: list[dict[str, Any]]) -> Iterator[str]:
    beside = [(run, way, found) for run in runs for way, found in run.get("beside", {}).items()]
    if not beside:
        return
    yield "| rows | bad | dlt | its merge, s | times our seconds | 1 % changed, s | times our seconds |"
    yield "|---:|---:|---|---:|---:|---:|---:|"
    for run, way, found in beside:
        yield (
            f"| {_name(run)} | {found['version']}, {way} | {found['seconds']:.1f} | "
            f"{found['seconds'] / run['total_s']:.1f} | {found['changes_s']:.1f} | "
            f"{found['changes_s'] / run['changes_s']:.1f} |"
        )


def _goals(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield "| aim | measured | |"
    yield "|---|---|---|"
    ratios = [run["ratio_to_copy"] for run in runs]
    yield _goal(f"at most {MOST_COPIES} times the bare COPY", _span(ratios), max(ratios) <= MOST_COPIES)
    for way in sorted({way for run in runs for way in run.get("beside", {})}, reverse=True):
        times = [run["beside"][way]["seconds"] / run["total_s"] for run in runs if way in run.get("beside", {})]
        yield _goal(
            f"at least {LEAST_TO_PEER} times faster than dlt's merge ({way})", _span(times), min(times) >= LEAST_TO_PEER
        )
    growth = list(_growth(runs))
    if growth:
        yield _goal(
            f"ten times the rows in at most {MOST_GROWTH} times the time", _span(growth), max(growth) <= MOST_GROWTH
        )
    peaks = [run["worker_peak_mib"] for run in runs]
    yield _goal(f"a worker below {MOST_MEBIBYTES} MiB", f"{max(peaks):.0f} at most", max(peaks) < MOST_MEBIBYTES)
    shares = [run["changes_s"] / run["total_s"] for run in runs]
    working = [(run["changes_s"] - run["waiting_s"]) / (run["total_s"] - run["waiting_s"]) for run in runs]
    yield _goal(
        "1 % changed costs at most a tenth", _span([100 * share for share in shares], " %"), max(shares) <= MOST_CHANGE
    )
    yield _goal(
        "the same, without waiting for a file to rest",
        _span([100 * share for share in working], " %"),
        max(working) <= MOST_CHANGE,
    )


def _growth(runs: list[dict[str, Any]]) -> Iterator[float]:
    """How many times as long ten times the rows took, for each share of bad rows."""
    totals = {(run["rows"], run["bad_share"]): run["total_s"] for run in runs}
    for (rows, share), seconds in totals.items():
        if (10 * rows, share) in totals:
            yield totals[10 * rows, share] / seconds


def _goal(aim: str, measured: str, reached: bool) -> str:
    return f"| {aim} | {measured} | {'reached' if reached else '**not reached**'} |"


def _span(values: list[float], unit: str = "") -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _name(run: dict[str, Any]) -> str:
    return f"{run['rows']:,} | {run['bad_share']:.0%}"
