"""Linking files of any agency's, without a warehouse: the same preparation, model, training and clusters.

Input: a configuration (`file_sources`); output: `people.csv` (source, row_id, person_id), every row of the files once,
and `review.csv`, the pairs that a person should see. Nothing but ids and scores is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from kinbridge.errors import KinbridgeError
from kinbridge.linkage.columnar import texts
from kinbridge.linkage.file_records import read_records
from kinbridge.linkage.file_sources import read_file_sources
from kinbridge.linkage.link import STEPS as LINK_STEPS
from kinbridge.linkage.link import Linkage, Progress, link
from kinbridge.linkage.model import Model, read_model

PEOPLE, REVIEW = "people.csv", "review.csv"
STEPS = ("read", *LINK_STEPS, "write")


@dataclass(frozen=True)
class FilesLinked:
    """What was found, in counts, and where it stands; `left_out` are the comparisons that had nothing to say."""

    records: int
    people: int
    edges: int
    review: int
    weighed: tuple[str, ...]
    left_out: tuple[str, ...]
    people_file: Path
    review_file: Path


def link_files(
    config: Path,
    out: Path,
    *,
    model: Model | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> FilesLinked:
    """Link the rows of the files that `config` names and write both results to the folder `out`.

    `progress` is called with each of `STEPS` as it begins. Person ids are random. Raises `KinbridgeError` KB-K01
    (model), KB-K02 (configuration), KB-K03 to KB-K06 (files), KB-K07 and KB-K09 (engine), and KB-K08 (nowhere to write
    to).
    """
    given = read_file_sources(config)
    if progress:
        progress("read")
    records = pa.concat_tables([read_records(source, config) for source in given.sources], promote_options="default")
    habits = {source.name: source.duplicates for source in given.sources}
    found = link(
        records,
        replace(model or read_model(), duplicates_by_source=habits),
        seed=seed,
        progress=progress,
        open_engine=given.engine.open,
    )
    if progress:
        progress("write")
    try:
        out.mkdir(parents=True, exist_ok=True)
        pyarrow.csv.write_csv(_people(found), out / PEOPLE)
        pyarrow.csv.write_csv(_review(found), out / REVIEW)
    except OSError:
        raise KinbridgeError("KB-K08", folder=out) from None
    return FilesLinked(
        records=found.clusters.num_rows,
        people=int(found.facts["clusters"]),
        edges=found.edges.num_rows,
        review=found.review.num_rows,
        weighed=tuple(found.facts["weighed"]),
        left_out=tuple(found.facts["left_out"]),
        people_file=out / PEOPLE,
        review_file=out / REVIEW,
    )


def _people(found: Linkage) -> pa.Table:
    number = found.clusters.column("cluster").combine_chunks().dictionary_encode()
    ids = texts([str(uuid4()) for _ in range(len(number.dictionary))])
    return pa.table(
        {
            "source": found.clusters.column("source"),
            "row_id": found.clusters.column("source_person_id"),
            "person_id": ids.take(number.indices),
        }
    )


def _review(found: Linkage) -> pa.Table:
    review = found.review.sort_by([("match_probability", "descending")])
    return pa.table(
        {
            "source_left": review.column("source_left"),
            "row_id_left": review.column("id_left"),
            "source_right": review.column("source_right"),
            "row_id_right": review.column("id_right"),
            "score": pc.round(review.column("match_probability"), 4),
            "found_by": review.column("rule"),
        }
    )
