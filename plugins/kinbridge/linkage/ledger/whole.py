"""Linking everything: records prepared, keyed, compared and judged in bulk, and what is needed to go on from there.

Reads the record through `persons`; writes `identity.prepared`, the keys, and the pairs. Learns where nothing has been
learnt yet.
"""

from __future__ import annotations

from typing import Any

import duckdb

from kinbridge.linkage.clean import clean
from kinbridge.linkage.engine.on_duckdb import DuckDBEngine
from kinbridge.linkage.frequencies import add_rarity, count_frequencies
from kinbridge.linkage.judging import cluster_judged, judge
from kinbridge.linkage.keys import find_crowded, key_records, pair_by_keys
from kinbridge.linkage.ledger.adopted import Adopted, adopt, read_frequencies, store_frequencies, store_trained
from kinbridge.linkage.ledger.found import PAIR_COLUMNS, Found, found_pairs, found_people
from kinbridge.linkage.ledger.persons import current_persons
from kinbridge.linkage.ledger.prepared import CLEANED, IDS, PREPARED_COLUMNS, prepared_rows
from kinbridge.linkage.ledger.verdict import note_verdicts
from kinbridge.linkage.ledger.work import (
    kept_apart,
    leave_out_barred,
    leave_out_single_sources,
    take_purposes,
    take_verdicts,
    workshop,
)
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Allowed, Only
from kinbridge.linkage.scoring import rare_columns, score
from kinbridge.linkage.trained import TrainedModel
from kinbridge.warehouse.arrow import copy_in, copy_relation

Outcome = tuple[Adopted, Found, dict[str, Any]]


def link_whole(
    cursor: Any, model: Model, adopted: Adopted | None, *, allowed: Allowed | None = None, seed: int
) -> Outcome:
    """Link all persons of `stated_now`; without a trained model, learn one and adopt it.

    Returns the model it scored with, what was found, and counts. Replaces all that was prepared. `allowed` says which
    records may be compared; without it, all.
    """
    with workshop() as connection:
        heaps = None if adopted is None else adopted.trained.heaps
        count = clean(DuckDBEngine(connection), current_persons(cursor), model, heaps)
        only, barred = take_purposes(connection, allowed)
        learning = adopted is None
        if adopted is None:
            # Learning loads Splink, which nothing else here needs.
            from kinbridge.linkage.learning import learn

            learnt = learn(DuckDBEngine(connection), model, count, only=only, seed=seed)
            adopted = store_trained(cursor, learnt.trained, learnt_by="run")
            adopt(cursor, adopted.training_id, by="linkage", reason="the first run, or what was learnt was outgrown")
            store_frequencies(cursor, adopted.training_id, learnt.frequencies)
        else:
            # What was adopted without frequencies counts them among the records that it meets first.
            frequencies = read_frequencies(cursor, adopted.training_id)
            if not frequencies.num_rows:
                columns = rare_columns(adopted.trained.declared(model))
                frequencies, _ = count_frequencies(connection, columns)
                store_frequencies(cursor, adopted.training_id, frequencies)
            add_rarity(connection, frequencies, adopted.trained.unseen)
            key_records(connection, adopted.trained.blocks)
            find_crowded(connection, adopted.trained.blocks)
        connection.execute("ALTER TABLE cleaned ADD COLUMN number BIGINT")
        connection.execute("UPDATE cleaned SET number = record")
        _store_prepared(cursor, connection)
        decided = note_verdicts(cursor)
        take_verdicts(cursor, connection)
        pairs = _score(connection, model, adopted.trained, only, learnt=learning)
        judge(connection, model, adopted.trained, count)
        copy_in(cursor, "given_pair", PAIR_COLUMNS, found_pairs(connection, model, adopted.trained))
        cursor.execute("INSERT INTO identity.pair SELECT * FROM given_pair")
        cursor.execute("ANALYZE identity.pair")
        cluster_judged(connection, model, count, barred)
        found = found_people(connection, model, adopted.trained)
        kept = kept_apart(connection)
    facts = {"records": count, "changed": count, "pairs_compared": pairs, "kept_apart": kept, "decided": decided}
    return adopted, found, facts


def _score(
    connection: duckdb.DuckDBPyConnection, model: Model, trained: TrainedModel, only: Only, *, learnt: bool
) -> int:
    """Make `scored` of all candidates and the pairs that people decided on; how many. Learning has scored most."""
    known = "scored_before" if learnt else "candidate"
    if learnt:
        connection.execute("ALTER TABLE scored RENAME TO scored_before")
        connection.execute("CREATE OR REPLACE TABLE candidate AS SELECT l, r, rule FROM scored_before WHERE false")
    else:
        pair_by_keys(connection, trained.blocks)
    connection.execute(
        f"""
        INSERT INTO candidate
        SELECT l, r, {len(trained.blocks)} FROM verdict
        WHERE NOT EXISTS (SELECT 1 FROM {known} AS known WHERE known.l = verdict.l AND known.r = verdict.r)
        """
    )
    leave_out_single_sources(connection, model, known)
    leave_out_barred(connection, only)
    score(connection, model, trained)
    if learnt:
        connection.execute("INSERT INTO scored BY NAME SELECT * FROM scored_before")
        connection.execute("DROP TABLE scored_before")
    connection.execute("DROP TABLE candidate; DROP TABLE keyed")
    [(pairs,)] = connection.execute("SELECT count(*) FROM scored").fetchall()
    return int(pairs)


def _store_prepared(cursor: Any, connection: duckdb.DuckDBPyConnection) -> None:
    """Replace what was prepared by `cleaned`, and the keys by `keyed` and `crowded`."""
    cursor.execute(f"CREATE TEMP TABLE given_prepared ({PREPARED_COLUMNS}) ON COMMIT DROP")
    copy_relation(cursor, "given_prepared", prepared_rows(connection))
    cursor.execute(
        "TRUNCATE identity.prepared, identity.blocking_key, identity.crowded_key, identity.pair,"
        " identity.verdict_applied"
    )
    columns = ", ".join(("record", *IDS, *CLEANED))
    cursor.execute(
        f"""
        INSERT INTO identity.prepared ({columns}, stated, kind)
        SELECT {", ".join(f"given.{name}" for name in ("record", *IDS, *CLEANED))}, stated_now.stated, stated_now.kind
        FROM given_prepared AS given
        INNER JOIN stated_now
            ON stated_now.partner = given.source AND stated_now.source_person_id = given.source_person_id
        """
    )
    cursor.execute("DROP TABLE given_prepared")
    # In the order of the key, an index grows at its end.
    ordered = connection.sql("SELECT key, record FROM keyed ORDER BY key, record")
    copy_relation(cursor, "identity.blocking_key (key, record)", ordered)
    copy_relation(cursor, "identity.crowded_key (key)", connection.sql("SELECT key FROM crowded ORDER BY key"))
    cursor.execute("ANALYZE identity.prepared")
    cursor.execute("ANALYZE identity.blocking_key")
