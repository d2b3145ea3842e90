-- Persons that are known by another id now.

-- Grain: one row per partner and former id of a person. A delta feed has said, up to `as_of`, that who had this id has the
-- id `became`. Other feeds of the partner may still say the former one.
CREATE TABLE record.person_key_change (
    partner text NOT NULL,
    source_person_id text NOT NULL,
    became text NOT NULL,
    feed text NOT NULL,
    as_of date NOT NULL,
    delivery_id bigint NOT NULL CONSTRAINT fk_person_key_change_delivery REFERENCES ledger.delivery,
    CONSTRAINT pk_person_key_change PRIMARY KEY (partner, source_person_id),
    CONSTRAINT ck_person_key_change_changes CHECK (source_person_id <> became)
);

GRANT SELECT, INSERT, UPDATE ON record.person_key_change TO kb_pipeline;
GRANT SELECT ON record.person_key_change TO kb_linkage;
