-- Tables of the record are partitioned by feed, so that a feed's first file is loaded into a table of its own whose indexes
-- are built afterwards, by sorting, instead of row by row. Run by the owner.
-- Partitions stand in the schema `record_feed`. Nobody reads them there: rights on a table of the record are what counts,
-- and everything that lists the tables of the record lists each of them once.
-- What stood in the tables stays where it is, as the rest (`<table>__rest`, the default partition): no row is moved. A feed
-- has its partition when its first file was loaded at once; rows that come in any other way (a restored backup) are the rest.
-- A row's hash is no longer kept: rows are compared by their values, which takes less time than to compute it.

CREATE SCHEMA record_feed;

DO $$
DECLARE
    target record;
    index record;
BEGIN
    FOR target IN
        SELECT t.name, format('record_feed.%I', t.name || '__rest') AS rest
        FROM unnest(ARRAY[
            'person', 'person_address', 'person_relationship', 'family_member', 'program_enrollment', 'service_event',
            'referral', 'early_intervention', 'program_exit', 'supplementary_record', 'consent'
        ]) AS t (name)
    LOOP
        EXECUTE format('ALTER TABLE record.%I DROP COLUMN row_hash', target.name);
        EXECUTE format('ALTER TABLE record.%I RENAME TO %I', target.name, target.name || '__rest');
        EXECUTE format('ALTER TABLE record.%I SET SCHEMA record_feed', target.name || '__rest');
        EXECUTE format('CREATE TABLE record.%I (LIKE %s INCLUDING CONSTRAINTS) PARTITION BY LIST (feed)', target.name, target.rest);
        -- The same indexes: uniqueness of a key's current row within its feed holds for every partition there is or will be.
        FOR index IN
            SELECT c.relname AS name, pg_get_indexdef(c.oid) AS definition
            FROM pg_index AS i
            INNER JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = target.rest::regclass
        LOOP
            EXECUTE format('ALTER INDEX record_feed.%I RENAME TO %I', index.name, index.name || '__rest');
            EXECUTE replace(index.definition, ' ON ' || target.rest, format(' ON record.%I', target.name));
        END LOOP;
        EXECUTE format('ALTER TABLE record.%I ATTACH PARTITION %s DEFAULT', target.name, target.rest);
        EXECUTE format('REVOKE ALL ON %s FROM kb_pipeline, kb_linkage, kb_steward', target.rest);
        EXECUTE format('REVOKE ALL (partner, source_person_id, known_to) ON %s FROM kb_steward', target.rest);
        EXECUTE format('GRANT MAINTAIN ON %s TO kb_pipeline', target.rest);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, MAINTAIN ON record.%I TO kb_pipeline', target.name);
        IF target.name <> 'supplementary_record' THEN
            EXECUTE format('GRANT SELECT ON record.%I TO kb_linkage', target.name);
        END IF;
    END LOOP;
END
$$;
GRANT SELECT ON record.consent TO kb_steward;
GRANT SELECT (partner, source_person_id, known_to) ON record.person TO kb_steward;

-- A feed's own table, empty and without indexes, for its first file; the pipeline may fill it. NULL where the feed has rows
-- or a partition already, or the table has no partitions at all. Nobody sees the table before `record.attach_feed`; a load that fails takes it along.
CREATE FUNCTION record.open_feed(target text, feed text) RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whole regclass := record.feeds_of(target);
    part text := record.partition_of(target, feed);
    known boolean;
BEGIN
    IF whole IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE t.feed = %L)', whole, feed) INTO known;
    IF known OR to_regclass(part) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING CONSTRAINTS)', part, whole);
    EXECUTE format('GRANT INSERT ON %s TO kb_pipeline', part);
    RETURN part;
END
$$;

-- Builds the indexes of the opened table, as its table of the record has them. A second current row of one key is an error.
CREATE FUNCTION record.index_feed(target text, feed text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whole regclass := record.feeds_of(target);
    part regclass := record.opened(target, feed);
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i WHERE i.indrelid = whole
    LOOP
        EXECUTE regexp_replace(definition, ' INDEX .* ON ONLY [^ ]+ ', format(' INDEX ON %s ', part));
    END LOOP;
END
$$;

-- Makes the opened table a part of its table of the record; from the commit on everybody sees its rows there. Postgres holds
-- each row's feed against the partition, and builds what index is not there.
CREATE FUNCTION record.attach_feed(target text, feed text) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whole regclass := record.feeds_of(target);
    part regclass := record.opened(target, feed);
BEGIN
    EXECUTE format('REVOKE ALL ON %s FROM kb_pipeline', part);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%L)', whole, part, feed);
    EXECUTE format('GRANT MAINTAIN ON %s TO kb_pipeline', part);
END
$$;

-- The table of the record of this name; NULL where there is none that has a partition for each feed.
CREATE FUNCTION record.feeds_of(target text) RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass
    FROM pg_class AS c
    WHERE c.relnamespace = 'record'::regnamespace AND c.relkind = 'p' AND c.relname = target
$$;

-- The opened table of a feed, which is no part of its table of the record yet.
CREATE FUNCTION record.opened(target text, feed text) RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
BEGIN
    SELECT c.oid::regclass INTO part
    FROM pg_class AS c
    WHERE c.oid = to_regclass(record.partition_of(target, feed)) AND NOT c.relispartition;
    IF part IS NULL THEN
        RAISE EXCEPTION 'no table of this feed is open';
    END IF;
    RETURN part;
END
$$;

-- The name of a feed's partition, qualified and quoted: cut short where it is longer than names may be, then with a digest.
CREATE FUNCTION record.partition_of(target text, feed text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('record_feed.%I', CASE
        WHEN octet_length(n.name) <= 63 THEN n.name
        ELSE left(n.name, 30) || '__' || left(md5(n.name), 16)
    END)
    FROM (SELECT target || '__' || replace(feed, '/', '__') AS name) AS n
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA record FROM PUBLIC;
GRANT USAGE ON SCHEMA record_feed TO kb_pipeline;
GRANT EXECUTE ON FUNCTION record.open_feed (text, text) TO kb_pipeline;
GRANT EXECUTE ON FUNCTION record.index_feed (text, text) TO kb_pipeline;
GRANT EXECUTE ON FUNCTION record.attach_feed (text, text) TO kb_pipeline;
