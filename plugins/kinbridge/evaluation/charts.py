"""The plots of a report, as inline SVG: figures in, text out. Pure.

Colours are CSS variables of the page (`--one`, `--two`, `--soft`, `--grid`, `--bad`), so that they follow its light or
dark look. Each plot has a title for those who do not see it; every figure of it stands in a table as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup, escape

from kinbridge.evaluation.groups import Group
from kinbridge.evaluation.interval import Share

WIDTH = 760


def histogram(
    bins: Sequence[dict[str, Any]], thresholds: dict[str, float], *, names: tuple[str, str], unit: str = "pairs"
) -> Markup:
    """Pairs by score in whole bits, two kinds side by side, on a scale of powers of ten; the thresholds as lines."""
    height, left, top, bottom = 300, 84, 34, 46
    if not bins:
        return _empty("No pair was compared.")
    low, high = min(row["bits"] for row in bins), max(row["bits"] for row in bins) + 1
    most = max(max(row["one"], row["two"]) for row in bins)
    decades = max(1, math.ceil(math.log10(max(most, 10))))
    across = (WIDTH - left - 16) / (high - low)

    def tall(count: float) -> float:
        return (height - top - bottom) * math.log10(count + 1) / math.log10(10**decades + 1)

    base = height - bottom
    parts = []
    for power in range(decades + 1):
        y = base - tall(10**power - (1 if power == 0 else 0))
        label = "0" if power == 0 else f"{10**power:,}"
        parts += [_line(left, y, WIDTH - 16, y, "grid"), _text(left - 8, y + 4, label, "end")]
    for row in bins:
        x = left + (row["bits"] - low) * across
        for offset, name in ((0.06, "two"), (0.5, "one")):
            if row[name]:
                tip = f"{row['bits']} to {row['bits'] + 1} bits, {names[0 if name == 'one' else 1]}: {row[name]:,}"
                parts.append(
                    _rect((x + offset * across, base - tall(row[name]), 0.44 * across, tall(row[name])), name, tip)
                )
    parts += _bits_axis(low, high, left, across, base)
    parts += _thresholds(thresholds, (low, high, left, across), top, base)
    parts += _legend(left, 14, [("one", names[0]), ("two", names[1])])
    parts.append(_text(left + (WIDTH - left) / 2, height - 6, f"score, bits above an even chance; {unit}", "middle"))
    return _svg(height, "How much pairs weigh", parts)


def precision_recall(points: Sequence[dict[str, float]], at: Share, precision: Share, link_bits: float) -> Markup:
    """Precision over recall as the threshold moves, and where the people that were found stand, with intervals."""
    height, left, top, bottom = 400, 74, 20, 52
    if not points and at.value is None:
        return _empty("Nothing is known of precision and recall.")
    shown = [point for point in points if point["recall"] > 0]
    near = [point for point in shown if point["bits"] >= -4]
    lows = [point["recall"] for point in near] + [value for value in (at.low, at.value) if value is not None]
    heights = [point["precision"] for point in near] + [
        value for value in (precision.low, precision.value) if value is not None
    ]
    x_low, y_low = _floor_of(lows), _floor_of(heights)

    def x(value: float) -> float:
        return left + (WIDTH - left - 24) * (value - x_low) / (1 - x_low)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - (value - y_low) / (1 - y_low))

    parts = []
    for step in range(6):
        across, up = x_low + (1 - x_low) * step / 5, y_low + (1 - y_low) * step / 5
        parts += [
            _line(x(across), top, x(across), height - bottom, "grid"),
            _line(left, y(up), WIDTH - 24, y(up), "grid"),
        ]
        parts.append(_text(x(across), height - bottom + 18, _percent(across, x_low), "middle"))
        parts.append(_text(left - 8, y(up) + 4, _percent(up, y_low), "end"))
    inside = [point for point in shown if point["recall"] >= x_low and point["precision"] >= y_low]
    if inside:
        path = " ".join(f"{x(point['recall']):.1f},{y(point['precision']):.1f}" for point in inside)
        parts.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    marked = [point for point in inside if point["bits"] % 4 == 0 or len(inside) < 12]
    for number, point in enumerate(marked):
        px, py = x(point["recall"]), y(point["precision"])
        tip = f"threshold {point['bits']:g} bits: precision {point['precision']:.4f}, recall {point['recall']:.4f}"
        parts.append(_dot(px, py, 3.5, "one", tip))
        if number % max(1, len(marked) // 8) == 0:
            parts.append(_text(px - 6, py + 16, f"{point['bits']:g}", "end", "small"))
    if at.value is not None and precision.value is not None:
        px, py = x(at.value), y(precision.value)
        if at.low is not None and at.high is not None:
            parts.append(_line(x(max(at.low, x_low)), py, x(at.high), py, "reach"))
        if precision.low is not None and precision.high is not None:
            parts.append(_line(px, y(max(precision.low, y_low)), px, y(precision.high), "reach"))
        parts.append(_dot(px, py, 6, "two", f"people: precision {precision.value:.4f}, recall {at.value:.4f}"))
    parts.append(_text(left + (WIDTH - left) / 2, height - 8, "recall: true pairs that are linked", "middle"))
    parts.append(
        Markup('<text x="16" y="{0}" text-anchor="middle" transform="rotate(-90 16 {0})">{1}</text>').format(
            (height - bottom + top) / 2, "precision: linked pairs that are true"
        )
    )
    corner = height - bottom - 14
    parts += _legend(
        left + 12, corner - 20, [("one", f"pairs alone, by threshold in bits (in use: {link_bits:.1f})")]
    ) + _legend(left + 12, corner, [("two", "the people that were found, 95 % interval")])
    return _svg(height, "Precision and recall as the threshold moves", parts)


def groups(found: Sequence[Group], share: str, whole: Share) -> Markup:
    """One dot with its interval for each group; a vertical line where everybody stands."""
    drawn = [group for group in found if getattr(group, share).value is not None]
    if not drawn:
        return _empty("No group has enough to show.")
    left, row, top = 300, 24, 30
    lines: list[str | Group] = []
    for group in drawn:
        if not lines or _dimension(lines[-1]) != group.dimension:
            lines.append(group.dimension)
        lines.append(group)
    height = top + row * len(lines) + 34
    low = _floor_of([value for group in drawn for value in (getattr(group, share).low,) if value is not None])

    def x(value: float) -> float:
        return left + (WIDTH - left - 110) * (max(value, low) - low) / (1 - low)

    parts = []
    for step in range(5):
        at = low + (1 - low) * step / 4
        parts += [
            _line(x(at), top - 8, x(at), height - 30, "grid"),
            _text(x(at), height - 12, _percent(at, low), "middle"),
        ]
    if whole.value is not None:
        parts.append(_line(x(whole.value), top - 8, x(whole.value), height - 30, "whole"))
        parts.append(_text(x(whole.value), top - 14, "everybody", "middle", "small"))
    for number, line in enumerate(lines):
        y = top + row * number + row / 2
        if isinstance(line, str):
            parts.append(_text(12, y + 4, line, "start", "head"))
            continue
        at = getattr(line, share)
        kind = "bad" if share in line.flags else "one"
        parts.append(_text(left - 12, y + 4, line.name, "end"))
        parts.append(_line(x(at.low), y, x(at.high), y, f"reach {kind}"))
        tip = f"{line.name}: {at.value:.4f} ({at.low:.4f} to {at.high:.4f}), {line.records:,} records"
        parts.append(_dot(x(at.value), y, 5, kind, tip))
        parts.append(_text(WIDTH - 92, y + 4, f"{at.value:.1%}", "start", "bad" if kind == "bad" else ""))
        if kind == "bad":
            parts.append(_text(WIDTH - 40, y + 4, "lower", "start", "bad"))
    return _svg(height, f"{share} by subgroup", parts)


def bars(rows: Sequence[tuple[str, float, float, str]], *, names: tuple[str, str], unit: str) -> Markup:
    """Two horizontal bars for each row (name, one, other, what is written beside them), around zero where one is
    below it."""
    if not rows:
        return _empty("Nothing to show.")
    left, row, top = 300, 30, 34
    low = min(0.0, *(min(one, other) for _, one, other, _ in rows))
    high = max(0.0, *(max(one, other) for _, one, other, _ in rows)) or 1.0
    scale = (WIDTH - left - 110) / (high - low)
    zero = left - low * scale
    height = top + row * len(rows) + 30
    parts = [_line(zero, top - 6, zero, height - 26, "axis")]
    for number, (name, one, other, note) in enumerate(rows):
        y = top + row * number
        parts.append(_text(left - 12, y + 15, name, "end"))
        for offset, kind, value in ((1, "one", one), (11, "two", other)):
            start = zero + min(0.0, value) * scale
            parts.append(_rect((start, y + offset, max(abs(value) * scale, 1), 9), kind, f"{name}: {value:.4g} {unit}"))
        parts.append(_text(WIDTH - 100, y + 15, note, "start", "small"))
    parts += _legend(left, 12, [("one", names[0]), ("two", names[1])])
    parts.append(_text(left + (WIDTH - left - 110) / 2, height - 6, unit, "middle"))
    return _svg(height, f"{names[0]} and {names[1]}", parts)


def _dimension(line: str | Group) -> str:
    return line if isinstance(line, str) else line.dimension


def _floor_of(values: Iterable[float]) -> float:
    """Where an axis of shares begins: somewhat below the least of them, at a round figure."""
    room = 1 - min(values, default=0.9)
    for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6):
        if room * 1.05 <= step:
            return 1 - step
    return 0.0


def _percent(value: float, low: float) -> str:
    return f"{value:.0%}" if low <= 0.9 else f"{value:.1%}" if low <= 0.99 else f"{value:.2%}"


def _bits_axis(low: int, high: int, left: float, across: float, base: float) -> list[Markup]:
    step = 5 if high - low > 20 else 2 if high - low > 8 else 1
    parts = [_line(left, base, WIDTH - 16, base, "axis")]
    for at in range(math.ceil(low / step) * step, high + 1, step):
        parts.append(_text(left + (at - low) * across, base + 16, f"{at}", "middle"))
    return parts


def _thresholds(
    thresholds: dict[str, float], axis: tuple[int, int, float, float], top: float, base: float
) -> list[Markup]:
    low, high, left, across = axis
    parts = []
    for name, at in thresholds.items():
        if low <= at <= high:
            x = left + (at - low) * across
            parts.append(_line(x, top - 4, x, base, "whole"))
            anchor, shift = ("end", -4) if name == "review" else ("start", 4)
            parts.append(_text(x + shift, top + 6, name, anchor, "small"))
    return parts


def _legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> list[Markup]:
    parts = []
    for kind, name in entries:
        parts.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="12" height="12" rx="2" class="{}"/>').format(x, y - 10, kind)
        )
        parts.append(_text(x + 18, y, name, "start"))
        x += 40 + 7.2 * len(name)
    return parts


def _empty(text: str) -> Markup:
    return Markup('<p class="soft">{}</p>').format(text)


def _svg(height: float, title: str, parts: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{title}" font-size="13">{body}</svg>'
    ).format(width=WIDTH, height=height, title=title, body=Markup("\n").join(parts))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(x1, y1, x2, y2, kind)


def _rect(box: tuple[float, float, float, float], kind: str, tip: str) -> Markup:
    return Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"><title>{}</title></rect>'
    ).format(*box, kind, tip)


def _dot(x: float, y: float, radius: float, kind: str, tip: str) -> Markup:
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="{}"><title>{}</title></circle>').format(
        x, y, radius, kind, tip
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, kind, escape(text)
    )
