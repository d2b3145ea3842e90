-- Quarantined rows leave quarantine: put back by a replay, or corrected by a later delivery. Run by the owner.

------------------------------------------------------------------------------------------------------------ ledger

-- Grain: one row per replay of a delivery's open quarantined rows, of which `tried` many were judged again. Written in the
-- transaction that loads what passes; the versions are those of contract and agreement under which that was.
CREATE TABLE ledger.replay (
    replay_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_replay PRIMARY KEY,
    delivery_id bigint NOT NULL CONSTRAINT fk_replay_delivery REFERENCES ledger.delivery,
    replayed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_by text NOT NULL,
    contract_version text NOT NULL,
    agreement_id text NOT NULL,
    agreement_version text NOT NULL,
    tried bigint NOT NULL,
    loaded bigint NOT NULL,
    unchanged bigint NOT NULL,
    duplicate bigint NOT NULL,
    quarantined bigint NOT NULL,
    targets jsonb NOT NULL,
    CONSTRAINT ck_replay_balances CHECK (tried = loaded + unchanged + duplicate + quarantined)
);
CREATE INDEX ix_replay_delivery ON ledger.replay (delivery_id);

-------------------------------------------------------------------------------------------------------- quarantine

-- A row is open while `resolved_by` is NULL. A replay resolves it by its own delivery; a later delivery that brings a sound
-- row of the same key resolves it by that one.
ALTER TABLE quarantine.source_row
ADD COLUMN resolved_at timestamptz,
ADD COLUMN replay_id bigint CONSTRAINT fk_source_row_replay REFERENCES ledger.replay,
ADD CONSTRAINT ck_source_row_resolved CHECK ((resolved_by IS NULL) = (resolved_at IS NULL)),
ADD CONSTRAINT ck_source_row_replayed CHECK (
    (replay_id IS NOT NULL) = (resolved_by IS NOT NULL AND resolved_by = delivery_id)
);
CREATE INDEX ix_source_row_open ON quarantine.source_row (delivery_id) WHERE resolved_by IS NULL;

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT, INSERT ON ledger.replay TO kb_pipeline;
-- An integration counts loads and replays: either brings something new.
GRANT SELECT ON ledger.replay TO kb_linkage;
GRANT SELECT ON ledger.replay TO kb_steward;
-- Each look at a quarantined row's values is an event, by the steward's own hand.
GRANT INSERT ON ledger.event TO kb_steward;
