-- What homeless services tell: exits that are rows of their own, and what the common schema has no element for.

-- Grain: one row per exit that a partner tells apart from its enrollment.
CREATE TABLE record.program_exit (
    source_exit_id text NOT NULL,
    source_enrollment_id text NOT NULL,
    source_person_id text NOT NULL,
    exit_date date NOT NULL,
    exit_reason text
);
-- Grain: one row per row of a partner's table that has no home elsewhere, or of which a part has none. It is kept with its
-- history, so that a later need is met from what was said then. Nothing integrates it; linkage cannot read it.
CREATE TABLE record.supplementary_record (
    source_table text NOT NULL,
    source_record_id text NOT NULL,
    source_person_id text,
    source_enrollment_id text,
    event_date date,
    content jsonb NOT NULL
);

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT *
        FROM (VALUES
            ('program_exit', 'source_exit_id'),
            ('supplementary_record', 'source_record_id, source_table')
        ) AS t (name, key_columns)
    LOOP
        -- The same provenance and indexes as of every record table; 0001_warehouse.sql says why.
        EXECUTE format($ddl$
            ALTER TABLE record.%1$I
                ADD COLUMN partner text NOT NULL,
                ADD COLUMN feed text NOT NULL,
                ADD COLUMN delivery_id bigint NOT NULL,
                ADD COLUMN line_no bigint NOT NULL,
                ADD COLUMN contract_version text NOT NULL,
                ADD COLUMN as_of date NOT NULL,
                ADD COLUMN row_hash bigint NOT NULL,
                ADD COLUMN known_from timestamptz NOT NULL,
                ADD COLUMN known_to timestamptz
        $ddl$, target.name);
        EXECUTE format(
            'CREATE UNIQUE INDEX uq_%1$s_current ON record.%1$I (%2$s, feed) WHERE known_to IS NULL',
            target.name, target.key_columns
        );
        EXECUTE format('CREATE INDEX ix_%1$s_delivery ON record.%1$I USING brin (delivery_id)', target.name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON record.program_exit, record.supplementary_record TO kb_pipeline;
GRANT SELECT ON record.program_exit TO kb_linkage;
