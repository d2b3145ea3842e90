"""One evaluation: the records are linked once more as the model stands, and what comes out is held against a ground.

Grounds: `truth` (all is known), `reviewed` (pairs that people decided on, which are not a random sample) and `sample`
(pairs and records that were drawn at random and labelled). The model is evaluated, not the people that decisions have
mended: otherwise every reviewed pair would be right. Output: counts and shares only, never a value of a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import duckdb
import pyarrow as pa

from kinbridge.evaluation import truth as known
from kinbridge.evaluation.given import Given
from kinbridge.evaluation.groups import Group
from kinbridge.evaluation.interval import NOTHING, Share
from kinbridge.evaluation.labelled import Labelled, curve
from kinbridge.evaluation.labels import Placed, place_labels
from kinbridge.evaluation.sample import draw
from kinbridge.evaluation.subgroup import make_members
from kinbridge.evaluation.tables import bits, make_pairs, make_truth, replace_people
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.link import Progress, link
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Only, note_purposes
from kinbridge.linkage.rehearsal import rehearse

SCHEMA_VERSION = "1.0"
SEED = 1
Ground = Literal["truth", "reviewed", "sample"]


@dataclass(frozen=True)
class Evaluation:
    """What was found. `bands` and `placed` are there for labels only, `lost`, `relatives` and `counts` of pairs for
    a truth only."""

    ground: Ground
    model: str
    thresholds: dict[str, float]
    records: int
    newest: date | None
    precision: Share
    recall: Share
    f1: Share
    blocking: Share
    groups: Sequence[Group]
    histogram: Sequence[dict[str, Any]] = field(repr=False)
    curve: Sequence[dict[str, float]] = field(repr=False)
    counts: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    relatives: dict[str, int] = field(default_factory=dict)
    bands: Sequence[dict[str, Any]] = ()
    bounds_precision: tuple[float, float] | None = None
    bounds_recall: tuple[float, float] | None = None
    unseen: tuple[str, ...] = ()
    placed: Placed | None = None

    def as_plain(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "ground": self.ground,
            "model": self.model,
            "thresholds": self.thresholds,
            "records": self.records,
            "newest_delivery": self.newest.isoformat() if self.newest else None,
            "precision": self.precision.as_plain(),
            "recall": self.recall.as_plain(),
            "f1": self.f1.as_plain(),
            "blocking_recall": self.blocking.as_plain(),
            "bounds": {
                "precision": _rounded(self.bounds_precision),
                "recall": _rounded(self.bounds_recall),
                "bands_without_labels": list(self.unseen),
            },
            "counts": self.counts,
            "true_pairs_lost": self.lost,
            "relatives": self.relatives,
            "bands": list(self.bands),
            "labels": vars(self.placed) if self.placed else None,
            "groups": [group.as_plain() for group in self.groups],
            "curve": [{name: round(value, 5) for name, value in point.items()} for point in self.curve],
            "histogram": list(self.histogram),
        }


def _rounded(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else [round(at, 4) for at in bounds]


def evaluate_truth(
    given: Given, truth: pa.Table, people: pa.Table | None = None, progress: Progress | None = None
) -> Evaluation:
    """Precision and recall on a truth (source, row_id, person); with `people` those of that file, not of this run."""
    with linked_tables(given, progress) as (connection, _):
        if people is not None:
            replace_people(connection, people)
        make_pairs(connection, given.model)
        newest = make_members(connection, given.groups, given.newest)
        records, without = make_truth(connection, truth)
        total = known.overall(connection)
        shares, f1 = total.pop("shares"), total.pop("f1")
        return Evaluation(
            ground="truth",
            newest=newest,
            precision=shares["precision"],
            recall=shares["recall"],
            f1=Share(f1, None, None) if f1 is not None else NOTHING,
            blocking=shares["blocking"],
            groups=known.by_group(connection),
            histogram=known.histogram(connection, known=True),
            curve=known.curve(connection),
            counts={**total, "records_without_truth": without},
            lost=known.lost(connection, *(bits(given.model.thresholds[name]) for name in ("review", "link"))),
            relatives=known.relatives(connection),
            records=records,
            **_about(given.model),
        )


def evaluate_labels(
    given: Given, labels: pa.Table, ground: Ground = "sample", progress: Progress | None = None
) -> Evaluation:
    """Precision and recall estimated from labelled pairs (`labels.SCHEMA`)."""
    with linked_tables(given, progress) as (connection, _):
        spans = make_pairs(connection, given.model)
        newest = make_members(connection, given.groups, given.newest)
        placed = place_labels(connection, labels)
        labelled = Labelled(connection, spans)
        whole = labelled.overall()
        return Evaluation(
            ground=ground,
            records=sum(labelled.records.get("", {}).values()),
            newest=newest,
            precision=whole.precision,
            recall=whole.recall,
            f1=whole.f1,
            blocking=whole.blocking,
            groups=labelled.by_group() if placed.given else [],
            histogram=known.histogram(connection, known=False),
            curve=curve(labelled.bands(), whole.lost_ends) if placed.given else [],
            bands=labelled.table(),
            bounds_precision=whole.bounds_precision,
            bounds_recall=whole.bounds_recall,
            unseen=whole.unseen,
            placed=placed,
            **_about(given.model),
        )


def draw_sample(given: Given, size: int, seed: int = SEED, progress: Progress | None = None) -> pa.Table:
    """A sample of about `size` pairs for people to label; see `sample.draw`."""
    with linked_tables(given, progress) as (connection, only):
        make_pairs(connection, given.model)
        make_members(connection, given.groups, given.newest)
        return draw(connection, size, seed, only)


@contextmanager
def linked_tables(given: Given, progress: Progress | None = None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Only]]:
    """The records linked as the model stands: the tables `cleaned`, `scored` and `clustered` in a DuckDB in memory, and
    what keeps pairs to those that may be compared.

    Those of the warehouse by the trained model that is in use there, those of files as `linkage.link` links them.
    """
    with DuckDBEngine() as engine:
        if given.in_use is not None:
            tell = progress or (lambda _step: None)
            only = rehearse(engine, given.records, given.model, given.in_use, given.allowed, tell, SEED)
            yield engine.connection, only
            return
        kept = link(given.records, given.model, seed=SEED, progress=progress, allowed=given.allowed, keep=True).kept
        for name in list(kept):
            engine.give("kept", kept.pop(name))
            engine.make(name, "SELECT * FROM kept")
            engine.drop("kept")
        yield engine.connection, note_purposes(engine, given.allowed)


def _about(model: Model) -> dict[str, Any]:
    return {"model": model.title, "thresholds": dict(model.thresholds)}
