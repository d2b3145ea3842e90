-- What linkage has seen of the record, delivery by delivery: the next run looks only where it is otherwise. Run by the owner.

-- Grain: one row per table of record and delivery that had rows in it at the last run. A row is never changed but to be
-- closed, so its delivery tells of it: how many rows there are, how many are current, and a fingerprint of their lines.
CREATE TABLE identity.record_seen (
    table_name text NOT NULL,
    delivery_id bigint NOT NULL,
    rows bigint NOT NULL,
    current_rows bigint NOT NULL,
    fingerprint bigint NOT NULL,
    CONSTRAINT pk_record_seen PRIMARY KEY (table_name, delivery_id)
);
-- A fingerprint of which feeds and rows may be linked for what, and of whose id has changed. Null: all is looked at again.
ALTER TABLE identity.run ADD COLUMN terms bigint;

-- Room for what changes with others of the family, so that no index has to be written for it.
ALTER TABLE identity.prepared SET (fillfactor = 90);

-- Keys are worked out of what is prepared. They take most of the room, and written at random they would fill the write-ahead
-- log; after a crash they are empty, and the next run links everything.
ALTER TABLE identity.blocking_key SET UNLOGGED;
ALTER TABLE identity.crowded_key SET UNLOGGED;

GRANT SELECT, INSERT, DELETE, MAINTAIN ON identity.record_seen TO kb_linkage;
