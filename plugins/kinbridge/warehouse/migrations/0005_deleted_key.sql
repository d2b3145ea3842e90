-- What delta feeds have deleted.

-- Grain: one row per key of a table that a feed has deleted; `as_of` is the latest day up to which it has said so. An
-- older delivery that arrives later cannot bring such a row back.
CREATE TABLE record.deleted_key (
    feed text NOT NULL,
    target text NOT NULL,
    key_values text[] NOT NULL,
    as_of date NOT NULL,
    delivery_id bigint NOT NULL CONSTRAINT fk_deleted_key_delivery REFERENCES ledger.delivery,
    CONSTRAINT pk_deleted_key PRIMARY KEY (feed, target, key_values)
);

GRANT SELECT, INSERT, UPDATE ON record.deleted_key TO kb_pipeline;
