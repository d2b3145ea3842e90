"""A trained model: the numbers by which pairs are scored, learnt once and kept.

With it a pair's weight depends on the two records alone, so a record that comes later is scored as it would have been at
first. Plain values in and out, for a row of the database or a declared file; it never holds a value of a person.
Term frequencies, which do, are kept apart (`identity.term_frequency`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import duckdb

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.clean import word_rows
from kinbridge.linkage.keys import Block
from kinbridge.linkage.model import Comparison, Model


@dataclass(frozen=True)
class Weighed:
    """A comparison that counts: m and u of its levels, from the closest agreement to none."""

    name: str
    m: tuple[float, ...]
    u: tuple[float, ...]


@dataclass(frozen=True)
class TrainedModel:
    """What was learnt, from how many `records` of which `sources`.

    `share` of all pairs are one person; `priors` corrects that in bits for each two sources (the smaller name first),
    `within` and `between` for sources that were not seen. `unseen` is log2 of how often a value occurs that was not
    counted, by column. `digest` is that of the declared model and the cleaning (`model_digest`).
    """

    model: str
    digest: str
    records: int
    sources: tuple[str, ...]
    comparisons: tuple[Weighed, ...]
    share: float
    priors: Mapping[tuple[str, str], float]
    within: float
    between: float
    blocks: tuple[Block, ...]
    unrelated: bool
    unseen: Mapping[str, float]
    left_out: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()

    @property
    def weighed(self) -> tuple[str, ...]:
        """The names of the comparisons that count."""
        return tuple(one.name for one in self.comparisons)

    def declared(self, model: Model) -> list[Comparison]:
        """The model's own comparisons for those that count, in their order.

        Raises `KinbridgeError` KB-K43 when the model is another than the one that was trained.
        """
        known = {one.name: one for one in model.comparisons}
        found = [known.get(one.name) for one in self.comparisons]
        fits = [
            entry is not None and len(entry.levels) == len(one.m) == len(one.u)
            for entry, one in zip(found, self.comparisons, strict=True)
        ]
        if self.model != model.title or not all(fits):
            raise KinbridgeError("KB-K43", trained=self.model, model=model.title)
        return [entry for entry in found if entry is not None]


def to_plain(trained: TrainedModel) -> dict[str, Any]:
    """For JSON or YAML; `from_plain` gives the same numbers back, bit by bit."""
    return {
        "model": trained.model,
        "digest": trained.digest,
        "records": trained.records,
        "sources": list(trained.sources),
        "comparisons": [{"name": one.name, "m": list(one.m), "u": list(one.u)} for one in trained.comparisons],
        "share": trained.share,
        "priors": [
            {"left": left, "right": right, "bits": bits} for (left, right), bits in sorted(trained.priors.items())
        ],
        "within": trained.within,
        "between": trained.between,
        "blocks": [{"columns": list(block.columns), "size": block.size} for block in trained.blocks],
        "unrelated": trained.unrelated,
        "unseen": dict(sorted(trained.unseen.items())),
        "left_out": list(trained.left_out),
        "passes": list(trained.passes),
    }


def from_plain(data: Mapping[str, Any]) -> TrainedModel:
    """What `to_plain` gave. Raises `KeyError`, `TypeError` or `ValueError` when it is something else."""
    return TrainedModel(
        model=str(data["model"]),
        digest=str(data["digest"]),
        records=int(data["records"]),
        sources=tuple(map(str, data["sources"])),
        comparisons=tuple(
            Weighed(str(one["name"]), tuple(map(float, one["m"])), tuple(map(float, one["u"])))
            for one in data["comparisons"]
        ),
        share=float(data["share"]),
        priors={(str(one["left"]), str(one["right"])): float(one["bits"]) for one in data["priors"]},
        within=float(data["within"]),
        between=float(data["between"]),
        blocks=tuple(Block(tuple(map(str, one["columns"])), int(one["size"])) for one in data["blocks"]),
        unrelated=bool(data["unrelated"]),
        unseen={str(name): float(bits) for name, bits in data["unseen"].items()},
        left_out=tuple(map(str, data["left_out"])),
        passes=tuple(map(str, data["passes"])),
    )


def content_digest(trained: TrainedModel) -> str:
    """SHA-256 of the numbers: the same numbers are the same trained model."""
    return _digest(to_plain(trained))


def model_digest(model: Model) -> str:
    """SHA-256 of all that makes records comparable and pairs scored: model, words, cleaning, and the engine's version.

    Another digest means that what was prepared and scored so far cannot be gone on from.
    """
    cleaning = resources.files(__package__).joinpath("clean.sql").read_text(encoding="utf-8")
    words = [word_rows("nicknames.csv"), word_rows("street_words.csv")]
    return _digest([asdict(model), words, cleaning, duckdb.__version__])


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, default=sorted, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
