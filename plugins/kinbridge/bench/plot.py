"""Draws the benchmark's plot as SVG: for each run its steps, in multiples of the bare COPY. Pure: figures to text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

STAGES = {"collect": "#7b8794", "stage": "#2f6f9f", "validate": "#d08b2c", "load": "#4c8c4a", "receipt": "#a04668"}
AIM = 12
WIDTH, LEFT, TOP, BAR, GAP = 860, 190, 64, 26, 16


def plot(runs: list[dict[str, Any]]) -> str:
    """The plot of these runs; `runs` as in `docs/performance.json`."""
    bars = list(_bars(runs))
    most = max([AIM, *(sum(length for _, length in parts) for _, parts in bars)])
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, math.inf) if most / size <= 12)
    scale = (WIDTH - LEFT - 60) / (math.ceil(most / step) * step)
    bottom = TOP + len(bars) * (BAR + GAP)
    body = [*_axis(step, math.ceil(most / step), scale, bottom), *_legend()]
    for number, (name, parts) in enumerate(bars):
        body += _bar(name, parts, TOP + number * (BAR + GAP), scale)
    body.append(
        f'<line x1="{LEFT + AIM * scale:.1f}" x2="{LEFT + AIM * scale:.1f}" y1="{TOP - 8}" y2="{bottom}" class="aim"/>'
    )
    lines = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 48}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="Intake in multiples of a bare COPY, by step">\n'
        "<style>text { fill: #222 } .aim { stroke: #c00; stroke-dasharray: 5 4 } .grid { stroke: #ddd }</style>\n"
        f'<rect width="100%" height="100%" fill="#fff"/>\n{lines}\n</svg>\n'
    )


def _bars(runs: list[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    for run in runs:
        name = f"{run['rows'] / 1_000_000:g} million, {run['bad_share']:.0%} bad"
        yield name, [(stage, run["stages_s"][stage] / run["copy_s"]) for stage in STAGES]


def _axis(step: float, steps: int, scale: float, bottom: int) -> Iterator[str]:
    for number in range(steps + 1):
        x = LEFT + number * step * scale
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" class="grid"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{number * step:g}</text>'
    yield (
        f'<text x="{LEFT}" y="{bottom + 38}">multiples of a bare COPY of the same file in the same run; '
        f"dashed: the aim, {AIM}</text>"
    )


def _legend() -> Iterator[str]:
    for number, (stage, colour) in enumerate(STAGES.items()):
        x = LEFT + number * 100
        yield f'<rect x="{x}" y="18" width="14" height="14" fill="{colour}"/><text x="{x + 20}" y="30">{stage}</text>'


def _bar(name: str, parts: list[tuple[str, float]], y: int, scale: float) -> Iterator[str]:
    yield f'<text x="{LEFT - 10}" y="{y + 18}" text-anchor="end">{name}</text>'
    x = float(LEFT)
    for stage, length in parts:
        yield f'<rect x="{x:.1f}" y="{y}" width="{length * scale:.1f}" height="{BAR}" fill="{STAGES[stage]}"/>'
        x += length * scale
    yield f'<text x="{x + 6:.1f}" y="{y + 18}">{sum(length for _, length in parts):.1f}</text>'
