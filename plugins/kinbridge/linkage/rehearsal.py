"""What a run would find, in memory: by the trained model in use, and without what people decided of pairs.

Input: records and a declared model; output: the tables `cleaned`, `scored` and `clustered` of an engine. The steps are
those of `ledger.whole`, so what is measured here is what the warehouse links by; decisions are left out, or every
reviewed pair would be right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.frequencies import FREQUENCY_SCHEMA, count_frequencies
from kinbridge.linkage.judging import cluster_judged, judge
from kinbridge.linkage.learning import learn, score_all
from kinbridge.linkage.ledger.work import leave_out_single_sources, take_purposes
from kinbridge.linkage.link import Progress
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Allowed, Only
from kinbridge.linkage.scoring import rare_columns
from kinbridge.linkage.trained import TrainedModel


@dataclass(frozen=True)
class InUse:
    """The trained model that the next run scores with, None where it learns one, and how often values occur by it.

    `frequencies` (columns of `FREQUENCY_SCHEMA`) are empty until a run has counted them.
    """

    trained: TrainedModel | None
    frequencies: pa.Table = field(default_factory=FREQUENCY_SCHEMA.empty_table)


def rehearse(  # noqa: PLR0917 - as a run has them: records, model, what is in use, and what may be compared
    engine: DuckDBEngine,
    records: pa.Table,
    model: Model,
    in_use: InUse,
    allowed: Allowed | None,
    progress: Progress,
    seed: int,
) -> Only:
    """Make the tables `cleaned`, `scored` and `clustered`; returns what keeps pairs to those that may be compared."""
    connection = engine.connection
    trained, frequencies = in_use.trained, in_use.frequencies
    progress("clean")
    count = clean(engine, records, model, trained.heaps if trained else None)
    only, barred = take_purposes(connection, allowed)
    progress("compare")
    if trained is None:
        trained = learn(engine, model, count, only=only, seed=seed).trained
    else:
        if not frequencies.num_rows:
            frequencies, _ = count_frequencies(connection, rare_columns(trained.declared(model)))
        score_all(engine, model, trained, frequencies, only)
    engine.make(
        "verdict",
        "SELECT 0::BIGINT AS l, 0::BIGINT AS r, '' AS verdict, false AS refused WHERE false",
    )
    leave_out_single_sources(connection, model, "scored")
    progress("cluster")
    judge(connection, model, trained, count)
    cluster_judged(connection, model, count, barred)
    return only
