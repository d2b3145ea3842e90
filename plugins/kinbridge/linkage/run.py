"""A linkage run against the warehouse: current persons in, people out, in one transaction.

Reads `record` and writes `identity`, as the role of linkage. Records travel by COPY straight into memory: no temporary
file, no value in a log or an error. A run under way holds a lock, so two cannot interleave; a run that fails leaves
nothing; a second run over the same records changes no person id. What has not changed since the last run is left alone,
unless the model has, or so much has changed that linking everything is less work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from kinbridge.consent.comparable import note_comparable
from kinbridge.consent.gates import Gates, read_gates
from kinbridge.consent.linkable import note_linkable
from kinbridge.consent.rules import write_rules
from kinbridge.linkage.habits import with_partner_habits
from kinbridge.linkage.ledger.adopted import Adopted, adopted_model
from kinbridge.linkage.ledger.delta import link_changed
from kinbridge.linkage.ledger.headcount import count_everybody, count_on, people_before
from kinbridge.linkage.ledger.seen import note_seen, store_seen
from kinbridge.linkage.ledger.stale import note_stale, note_stated
from kinbridge.linkage.ledger.store import store_edges, store_people
from kinbridge.linkage.ledger.verdict import apply_verdicts
from kinbridge.linkage.ledger.whole import link_whole
from kinbridge.linkage.model import Model
from kinbridge.linkage.purpose import Allowed
from kinbridge.linkage.trained import model_digest
from kinbridge.review.fill import fill_queue
from kinbridge.warehouse.connection import Dsn, transaction

LOCK = "kinbridge linkage"
SEED = 1
WHOLE, CHANGES = "whole", "changes"
# Where more than this share of the records has changed, linking everything is less work.
MUCH = 0.2

# `consent.comparable` makes it where records of a partner are not all of one kind.
_RECORD_KIND = """
CREATE TEMP TABLE IF NOT EXISTS record_kind (partner text, source_person_id text, uses text[], others text[])
ON COMMIT DROP
"""


@dataclass(frozen=True)
class RunSummary:
    """What a run did, in counts; nothing in it tells of a person.

    `scope` says whether all was linked anew or only what had changed; `changed` is how many records were compared.
    `refused` are decisions `same` that another decision contradicts. `training` is the trained model's number.
    """

    run_id: int
    model: str
    training: int
    scope: str
    records: int
    changed: int
    people: int
    new_people: int
    edges: int
    review: int
    merged: int
    split: int
    moved: int
    refused: int


def link_people(linkage_dsn: Dsn, model: Model, gates: Gates | None = None, *, anew: bool = False) -> RunSummary:
    """Link the current persons that may be linked, and store people, edges and changes; returns counts.

    `gates` are those that the declarations and decisions of today give, unless others are given; `anew` links
    everything, though little has changed. Raises `KinbridgeError` KB-K43 and KB-K44 (trained model), KB-S20 to KB-S26
    when the warehouse fails, and what `read_gates` raises; nothing is changed then.
    """
    with transaction(linkage_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
        # Whole tables are hashed and joined, which the default of 4 MB would do on disk; and what a few records cost
        # should follow them: a page read out of order costs no more than another, unless disks turn.
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute("SET LOCAL random_page_cost = 1.1")
        # For what is asked of the tables that live as long as the run.
        cursor.execute("SET LOCAL temp_buffers = '256MB'")
        gates = gates or read_gates(connection)
        write_rules(cursor, gates)
        note_linkable(cursor, gates)
        allowed = note_comparable(cursor, gates)
        cursor.execute(_RECORD_KIND)
        return _run(cursor, with_partner_habits(model), allowed, gates.purposes_digest(), anew=anew)


def _run(cursor: Any, model: Model, allowed: Allowed | None, purposes: str, *, anew: bool) -> RunSummary:
    cursor.execute("INSERT INTO identity.run (model_version) VALUES (%s) RETURNING run_id", [model.title])
    run_id = int(cursor.fetchone()[0])
    digest = model_digest(model)
    terms = note_seen(cursor)
    adopted = adopted_model(cursor, model, digest)
    last = None if anew else _last_run(cursor, adopted, digest, purposes)
    whole = last is None
    if last is not None:
        prepared_on, last_terms = last
        found_stale = note_stale(cursor, prepared_on, same_terms=terms == last_terms)
        records, sources, looked_at = found_stale.records, found_stale.sources, found_stale.looked_at
        whole = found_stale.stale > MUCH * records or _outgrown(adopted, records, sources)
    if whole:
        records, sources = note_stated(cursor)
        looked_at = records
    if _outgrown(adopted, records, sources):
        adopted = None
    if whole or adopted is None:
        adopted, found, facts = link_whole(cursor, model, adopted, allowed=allowed, seed=SEED)
    else:
        found, facts = link_changed(cursor, model, adopted, allowed=allowed)
    edges = store_edges(cursor, run_id, adopted.training_id, model, found, whole=whole)
    before = 0 if whole else people_before(cursor)
    people = store_people(cursor, run_id, found, whole=whole)
    apply_verdicts(cursor, run_id)
    store_seen(cursor, run_id, terms)
    cursor.execute(
        """
        UPDATE identity.run
        SET
            finished_at = clock_timestamp(),
            training_id = %s,
            model_digest = %s,
            purposes_digest = %s,
            scope = %s
        WHERE run_id = %s
        """,
        [adopted.training_id, digest, purposes, WHOLE if whole else CHANGES, run_id],
    )
    facts |= {**edges, **people.counts(), "new_people": len(people.new_ids), "records": records}
    facts["looked_at"] = looked_at
    waiting = fill_queue(cursor, model, changed=not whole)
    facts |= {
        "people": count_everybody(cursor) if whole else count_on(cursor, run_id, before),
        "review": waiting,
    }
    cursor.execute("UPDATE identity.run SET facts = %s WHERE run_id = %s", [json.dumps(facts), run_id])
    return RunSummary(
        run_id=run_id,
        model=model.title,
        training=adopted.training_id,
        scope=WHOLE if whole else CHANGES,
        records=records,
        changed=facts["changed"],
        people=facts["people"],
        new_people=len(people.new_ids),
        edges=edges["edges"],
        review=facts["review"],
        refused=facts["decided"]["refused"],
        **people.counts(),
    )


def _outgrown(adopted: Adopted | None, records: int, sources: set[str]) -> bool:
    return adopted is not None and adopted.outgrown(records, sources)


def _last_run(cursor: Any, adopted: Adopted | None, digest: str, purposes: str) -> tuple[date, int | None] | None:
    """Day and terms of the last run, where one can go on from what it prepared; None where all is to be linked anew."""
    cursor.execute(
        """
        SELECT
            finished_at::date,
            terms,
            training_id,
            model_digest,
            purposes_digest
        FROM identity.run
        WHERE finished_at IS NOT NULL
        ORDER BY run_id DESC
        LIMIT 1
        """
    )
    row = cursor.fetchone()
    if row is None or adopted is None or row[2:] != (adopted.training_id, digest, purposes):
        return None
    # A destruction empties what was prepared, and the frequencies with it; a crash of the server, the keys.
    cursor.execute("SELECT EXISTS (SELECT FROM identity.prepared) AND EXISTS (SELECT FROM identity.blocking_key)")
    return row[:2] if cursor.fetchone()[0] else None
