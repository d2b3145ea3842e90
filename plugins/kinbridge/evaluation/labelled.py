"""Precision and recall from labels: a run's bands with their labels, for everybody and any union of groups.

Input: the tables `pair`, `member`, `labelled_pair` and `searched`; output: estimates (`estimate.estimate`), overall
and by group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np

from kinbridge.evaluation.estimate import Band, Estimate, Labels, Lost, band_share, estimate, less
from kinbridge.evaluation.groups import Group, shown
from kinbridge.evaluation.interval import NOTHING, Share
from kinbridge.evaluation.sample import UNSCORED_TRUE
from kinbridge.evaluation.tables import Span, rows

EVERYBODY = ""
# Every record with each of its groups, and once with the empty dimension, that of everybody.
_MEMBERS = "(SELECT record, dimension, name FROM member UNION ALL SELECT record, '', '' FROM cleaned)"
_EXPECTED = f"coalesce(1 / (1 + pow(2, -greatest(-60, least(60, weight)))), {UNSCORED_TRUE})"


class Labelled:
    """The labels of a run beside its bands, by dimension and group."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, spans: Sequence[Span]) -> None:
        self.spans = tuple(spans)
        self.sizes: dict[str, dict[str, dict[int, tuple[float, float]]]] = {}
        for row in rows(connection, _ENDS):
            bands = self.sizes.setdefault(row["dimension"], {}).setdefault(row["name"], {})
            bands[row["band"]] = (row["ends"], row["expected"])
        self.labels: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for row in rows(connection, _LABELS):
            self.labels.setdefault(row["dimension"], {}).setdefault(row["name"], []).append(row)
        self.searched: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for row in rows(connection, _SEARCHED):
            found = self.searched.setdefault(row["dimension"], {}).setdefault(row["name"], [])
            found.append((float(row["missed"]), float(row["weight"])))
        self.records: dict[str, dict[str, int]] = {}
        for row in rows(
            connection, f"SELECT dimension, name, count(*)::BIGINT AS records FROM {_MEMBERS} GROUP BY ALL"
        ):
            self.records.setdefault(row["dimension"], {})[row["name"]] = row["records"]
        self._all = self.bands()

    def bands(self, dimension: str = EVERYBODY, names: Iterable[str] = (EVERYBODY,)) -> list[Band]:
        """The bands of the records of all of `names`: a label counts with as many ends as it has among them."""
        chosen = set(names)
        merged: dict[int, dict[tuple[int, int], tuple[bool, float, float]]] = {}
        for name in chosen:
            for row in self.labels.get(dimension, {}).get(name, []):
                band = merged.setdefault(row["band"], {})
                before = band.get((row["l"], row["r"]), (row["same"], row["weight"], 0.0))
                band[row["l"], row["r"]] = (row["same"], row["weight"], before[2] + row["ends"])
        bands = []
        for number, span in enumerate(self.spans):
            sizes = [self.sizes.get(dimension, {}).get(name, {}).get(number, (0.0, 0.0)) for name in sorted(chosen)]
            given = list(merged.get(number, {}).values())
            same = np.array([label[0] for label in given], dtype=float)
            ends = np.array([label[2] for label in given], dtype=float)
            weight = np.array([label[1] for label in given], dtype=float) * ends
            labels = Labels(same, weight, ends)
            total, expected = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
            bands.append(Band(span.name, span.linked, total, expected, labels, span.low, span.high))
        return bands

    def lost(self, dimension: str = EVERYBODY, names: Iterable[str] = (EVERYBODY,)) -> Lost | None:
        """The searched records of all of `names`; None where none was searched at all."""
        if not self.searched:
            return None
        chosen = sorted(set(names))
        found = [entry for name in chosen for entry in self.searched.get(dimension, {}).get(name, [])]
        records = sum(self.records[dimension][name] for name in chosen)
        missed, weight = (np.array([entry[part] for entry in found], dtype=float) for part in (0, 1))
        return Lost(float(records), missed, weight)

    def overall(self, seed: int = 1) -> Estimate:
        """Precision and recall of everybody."""
        return estimate(self.bands(), self.lost(), seed=seed)

    def by_group(self, seed: int = 1) -> list[Group]:
        """Precision and recall of each group beside the others of its dimension, where anything is labelled."""
        groups = []
        for dimension in sorted(name for name in self.records if name != EVERYBODY):
            names = sorted(self.records[dimension])
            for name in names:
                rest = [other for other in names if other != name]
                own = self._estimate(dimension, [name], seed)
                them = self._estimate(dimension, rest, seed + 1) if rest else None
                groups.append(
                    Group(
                        dimension=dimension,
                        name=name,
                        records=self.records[dimension][name],
                        precision=own.precision,
                        recall=own.recall,
                        blocking=own.blocking,
                        precision_less=_less(own, them, "precision"),
                        recall_less=_less(own, them, "recall"),
                    )
                )
        return shown(groups)

    def _estimate(self, dimension: str, names: Sequence[str], seed: int) -> Estimate:
        bands = [_as_everybody(own, whole) for own, whole in zip(self.bands(dimension, names), self._all, strict=True)]
        return estimate(bands, self.lost(dimension, names), seed=seed)

    def table(self) -> list[dict[str, Any]]:
        """The bands as plain values: pairs, labels, the share of true pairs, and what the model expects."""
        return [
            {
                "band": band.name,
                "linked": band.linked,
                "pairs": round(band.ends / 2),
                "labelled": band.labels.pairs,
                "labelled_same": int(band.labels.same.sum()),
                "share_true": band_share(band).as_plain(),
                "model_expects": round(band.expected / band.ends, 4) if band.ends else None,
            }
            for band in self.bands()
        ]


def _as_everybody(own: Band, whole: Band) -> Band:
    """A group's band; where none of its pairs has a label, with the share of everybody's as what is expected."""
    share = band_share(whole).value
    if own.seen or share is None:
        return own
    return replace(own, expected=own.ends * share, vague=True)


def _less(own: Estimate, them: Estimate | None, name: str) -> Share:
    one: Share = getattr(own, name)
    other: Share = getattr(them, name) if them else NOTHING
    if them is None or one.value is None or other.value is None:
        return NOTHING
    return less(getattr(own, f"drawn_{name}"), getattr(them, f"drawn_{name}"), one.value - other.value)


def curve(bands: Sequence[Band], lost: float) -> list[dict[str, float]]:
    """Precision and recall of the compared pairs for a threshold at the lower edge of each band, from its estimates."""
    edges = sorted({band.low for band in bands if band.low is not None and band.low > -np.inf}, reverse=True)
    true = {id(band): band.ends * (band_share(band).value or 0.0) if band.seen else band.expected for band in bands}
    whole = sum(true.values()) + lost
    points = []
    for edge in edges:
        above = [band for band in bands if band.low is not None and max(band.low, -1e9) >= edge]
        ends, right = sum(band.ends for band in above), sum(true[id(band)] for band in above)
        if ends and whole:
            points.append({"bits": float(edge), "precision": right / ends, "recall": right / whole})
    return points


_ENDS = f"""
SELECT dimension, name, band, count(*)::DOUBLE AS ends, sum({_EXPECTED})::DOUBLE AS expected
FROM (SELECT l AS record, band, weight FROM pair UNION ALL SELECT r, band, weight FROM pair)
INNER JOIN {_MEMBERS} USING (record)
GROUP BY dimension, name, band
"""
_LABELS = f"""
SELECT dimension, name, band, l, r, same, weight, count(*)::DOUBLE AS ends
FROM (
    SELECT l, r, l AS record, band, same, weight FROM labelled_pair
    UNION ALL
    SELECT l, r, r, band, same, weight FROM labelled_pair
)
INNER JOIN {_MEMBERS} USING (record)
GROUP BY ALL
ORDER BY dimension, name, band, l, r
"""
_SEARCHED = f"""
SELECT dimension, name, record, missed, weight
FROM searched
INNER JOIN {_MEMBERS} USING (record)
ORDER BY dimension, name, record
"""
