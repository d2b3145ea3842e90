"""Trained models in the warehouse: stored, adopted, declared, and which of them a run scores with.

A trained model declared below `include/linkage/trained/` for the model in use wins over the newest that was adopted in
the database. Rows are never changed. How often names occur stays in the database, counted by the first run that scores
with the model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kinbridge.linkage.frequencies import FREQUENCY_SCHEMA
from kinbridge.linkage.model import Model
from kinbridge.linkage.trained import TrainedModel, content_digest, from_plain, to_plain
from kinbridge.linkage.trained_file import declared_trained
from kinbridge.warehouse.arrow import copy_in, copy_out

# What a run learnt by itself is outgrown when so many times as many records came; a person's choice is not.
OUTGROWN = 2


@dataclass(frozen=True)
class Adopted:
    """A trained model with its number; `by_run` where a run learnt it and nobody chose it."""

    training_id: int
    trained: TrainedModel
    by_run: bool

    def outgrown(self, records: int, sources: set[str]) -> bool:
        """Whether a run should learn anew: many more records, or a source that it has never seen."""
        return self.by_run and (records > OUTGROWN * self.trained.records or not sources <= set(self.trained.sources))


def adopted_model(cursor: Any, model: Model, digest: str) -> Adopted | None:
    """The trained model to score with; None where there is none for the declared model.

    Raises `KinbridgeError` KB-K43 or KB-K44 when a declared one cannot be used.
    """
    declared = declared_trained(model)
    if declared is not None:
        return store_trained(cursor, declared, learnt_by="declared")
    cursor.execute(
        """
        SELECT training_id, content, learnt_by
        FROM identity.training_adoption
        INNER JOIN identity.trained_model USING (training_id)
        ORDER BY adoption_id DESC
        LIMIT 1
        """
    )
    row = cursor.fetchone()
    if row is None:
        return None
    adopted = Adopted(int(row[0]), from_plain(row[1]), row[2] == "run")
    # What a run learnt for other words or rules is learnt anew; what people chose is theirs to renew, or does not fit.
    if adopted.by_run and adopted.trained.digest != digest:
        return None
    adopted.trained.declared(model)
    return adopted


def store_trained(cursor: Any, trained: TrainedModel, *, learnt_by: str) -> Adopted:
    """Store a trained model, or find it where the same numbers are stored already; it is not adopted by that."""
    digest = content_digest(trained)
    cursor.execute(
        """
        SELECT training_id
        FROM identity.trained_model
        WHERE content_digest = %s AND learnt_by = %s
        ORDER BY training_id
        """,
        (digest, learnt_by),
    )
    row = cursor.fetchone()
    if row is None:
        cursor.execute(
            """
            INSERT INTO identity.trained_model (
                model_version, model_digest, content, content_digest, records, learnt_by
            )
            VALUES (%s, %s, %s, %s, %s, %s)
            RETURNING training_id
            """,
            (trained.model, trained.digest, json.dumps(to_plain(trained)), digest, trained.records, learnt_by),
        )
        row = cursor.fetchone()
    return Adopted(int(row[0]), trained, learnt_by == "run")


def adopt(cursor: Any, training_id: int, *, by: str, reason: str) -> None:
    """From the next run on, pairs are scored with this trained model, unless one is declared."""
    cursor.execute(
        "INSERT INTO identity.training_adoption (training_id, adopted_by, reason) VALUES (%s, %s, %s)",
        (training_id, by, reason),
    )


def store_frequencies(cursor: Any, training_id: int, frequencies: pa.Table) -> None:
    """Keep how often values occur beside the trained model; what is there already stays."""
    copy_in(cursor, "given_frequency", "column_name text, value text, frequency double precision", frequencies)
    cursor.execute(
        """
        INSERT INTO identity.term_frequency (training_id, column_name, value, frequency)
        SELECT %s, column_name, value, frequency
        FROM given_frequency
        ON CONFLICT DO NOTHING
        """,
        (training_id,),
    )
    cursor.execute("DROP TABLE given_frequency")
    cursor.execute("ANALYZE identity.term_frequency")


def read_frequencies(cursor: Any, training_id: int) -> pa.Table:
    """How often values occur, by the trained model's own count."""
    return copy_out(
        cursor,
        f"SELECT column_name, value, frequency FROM identity.term_frequency WHERE training_id = {training_id}",
        FREQUENCY_SCHEMA,
    )
