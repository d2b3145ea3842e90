"""An evaluation as one HTML page that stands by itself, and as JSON. Nothing of a record is in either, only counts."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kinbridge.errors import KinbridgeError
from kinbridge.evaluation import charts
from kinbridge.evaluation.evaluation import Evaluation
from kinbridge.evaluation.groups import CLEARLY, flagged
from kinbridge.evaluation.interval import Share
from kinbridge.evaluation.subgroup import SHOWN_FROM
from kinbridge.evaluation.tables import FLOOR, bits
from kinbridge.evaluation.trial import Trial

PAGE, FIGURES = "evaluation.html", "evaluation.json"
GROUNDS = {
    "truth": "the truth about these records",
    "reviewed": "pairs that people decided on",
    "sample": "a labelled random sample",
}


def write_report(evaluation: Evaluation, out: Path) -> tuple[Path, Path]:
    """Write the page and the figures into the folder `out`. Raises `KinbridgeError` KB-K08."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / PAGE).write_text(render(evaluation), encoding="utf-8")
        (out / FIGURES).write_text(json.dumps(evaluation.as_plain(), indent=1) + "\n", encoding="utf-8")
    except OSError:
        raise KinbridgeError("KB-K08", folder=out) from None
    return out / PAGE, out / FIGURES


def render(evaluation: Evaluation) -> str:
    """The page: no script, nothing from elsewhere."""
    in_bits = {name: bits(at) for name, at in evaluation.thresholds.items()}
    names = ("one person", "two people") if evaluation.ground == "truth" else ("linked", "not linked")
    return template("evaluation.html.j2").render(
        evaluation=evaluation,
        ground=GROUNDS[evaluation.ground],
        flagged=flagged(list(evaluation.groups)),
        clearly=CLEARLY,
        shown_from=SHOWN_FROM,
        floor=FLOOR,
        histogram=charts.histogram(evaluation.histogram, in_bits, names=names),
        precision_recall=charts.precision_recall(
            evaluation.curve, evaluation.recall, evaluation.precision, in_bits["link"]
        ),
        recall_groups=charts.groups(evaluation.groups, "recall", evaluation.recall),
        precision_groups=charts.groups(evaluation.groups, "precision", evaluation.precision),
        blocking_groups=charts.groups(evaluation.groups, "blocking", evaluation.blocking)
        if evaluation.blocking.value is not None
        else "",
    )


def write_trial(trial: Trial, path: Path) -> Path:
    """Write the page of a trial. Raises `KinbridgeError` KB-K08."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_trial(trial), encoding="utf-8")
    except OSError:
        raise KinbridgeError("KB-K08", folder=path.parent) from None
    return path


def render_trial(trial: Trial) -> str:
    """The page of a trial: what each level weighs, m and u, scores, and the held-out pairs under both models."""
    comparisons = dict.fromkeys(level["comparison"] for level in trial.levels)
    charted = [
        (
            name,
            charts.bars(
                [
                    (
                        level["level"],
                        level["bits"],
                        level["bits_before"] if level["bits_before"] is not None else 0.0,
                        _changed(level["bits"], level["bits_before"]),
                    )
                    for level in trial.levels
                    if level["comparison"] == name
                ],
                names=("new", "in use"),
                unit="bits",
            ),
        )
        for name in comparisons
    ]
    shares = [
        (
            name,
            charts.bars(
                [
                    (level["level"], level["m"], level["u"], f"m {level['m']:.3g}, u {level['u']:.2g}")
                    for level in trial.levels
                    if level["comparison"] == name
                ],
                names=("m: pairs of one person", "u: pairs of two"),
                unit="share of pairs",
            ),
        )
        for name in comparisons
    ]
    return template("trial.html.j2").render(
        trial=trial,
        weights=charted,
        shares=shares,
        histogram=charts.histogram(trial.histogram, {}, names=("new model", "model in use")),
    )


def _changed(now: float, before: float | None) -> str:
    return f"{now:+.1f}" if before is None else f"{now:+.1f} ({now - before:+.1f})"


@lru_cache(maxsize=4)
def template(name: str) -> Template:
    """A page's template of this package."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=_share, interval=_interval, points=_points, count=_count)
    return environment.get_template(name)


def _share(value: Share) -> str:
    return "not known" if value.value is None else f"{value.value:.2%}".replace("%", "\u00a0%")


def _interval(value: Share) -> str:
    if value.low is None or value.high is None:
        return ""
    return f"{value.low:.2%} to {value.high:.2%}".replace("%", "\u00a0%")


def _points(value: Share) -> str:
    """A difference in percentage points with its interval."""
    if value.value is None or value.low is None or value.high is None:
        return ""
    return f"{100 * value.value:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def _count(value: Any) -> str:
    return f"{value:,}"
