-- Pairs of source persons that wait for a person to decide, and the looks at them. Run by the owner.
-- The queue holds ids, weights and names of comparisons, so that a steward can read it. What the two records say is shown by a
-- function, to a look that was written down and committed before: no look goes unseen, not even one that is rolled back.

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per pair that the newest linkage run would have a person see (`waiting`), or on which somebody has decided.
-- The smaller (partner, source_person_id) is on the left. `weight`, `apart`, `levels` and `weights` are those of identity.pair,
-- by the model `training_id`. What hangs on the pair, as of the last linkage or build: `records` that would go to another
-- person, `figures` of the newest month that would change, and whether the two persons are known to different `partners`. A
-- pair goes with the records of either side.
CREATE TABLE identity.review_pair (
    pair_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_review_pair PRIMARY KEY,
    partner_left text NOT NULL,
    source_person_id_left text NOT NULL,
    partner_right text NOT NULL,
    source_person_id_right text NOT NULL,
    waiting boolean NOT NULL,
    weight double precision NOT NULL,
    apart text,
    levels smallint [] NOT NULL,
    weights real [] NOT NULL,
    training_id bigint CONSTRAINT fk_review_pair_training REFERENCES identity.trained_model,
    records integer NOT NULL,
    figures integer NOT NULL,
    partners boolean NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT uq_review_pair UNIQUE (
        partner_left, source_person_id_left, partner_right, source_person_id_right
    ),
    CONSTRAINT fk_review_pair_left FOREIGN KEY (partner_left, source_person_id_left)
    REFERENCES identity.person_link ON DELETE CASCADE,
    CONSTRAINT fk_review_pair_right FOREIGN KEY (partner_right, source_person_id_right)
    REFERENCES identity.person_link ON DELETE CASCADE,
    CONSTRAINT ck_review_pair_order CHECK (
        (partner_left, source_person_id_left) < (partner_right, source_person_id_right)
    )
);
CREATE INDEX ix_review_pair_right ON identity.review_pair (partner_right, source_person_id_right);

-- Grain: one row per look at the values of a pair. `transaction` is the one that wrote it: values are shown to another only.
CREATE TABLE identity.pair_look (
    look_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_pair_look PRIMARY KEY,
    pair_id bigint NOT NULL,
    looked_by text NOT NULL,
    role text NOT NULL DEFAULT session_user,
    why text NOT NULL,
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT ck_pair_look_looked_by CHECK (btrim(looked_by) <> ''),
    CONSTRAINT ck_pair_look_why CHECK (btrim(why) <> '')
);

-- Grain: one row per pair and reviewer whose decision stands: the newest that was not withdrawn.
CREATE VIEW identity.pair_opinion WITH (security_invoker = true) AS
SELECT DISTINCT ON (
    decision.partner_left, decision.source_person_id_left,
    decision.partner_right, decision.source_person_id_right, lower(btrim(decision.decided_by))
)
    decision.*,
    lower(btrim(decision.decided_by)) AS reviewer
FROM identity.pair_decision AS decision
WHERE
    decision.verdict IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM identity.pair_decision AS later
        WHERE later.withdraws = decision.decision_id
    )
ORDER BY
    decision.partner_left,
    decision.source_person_id_left,
    decision.partner_right,
    decision.source_person_id_right,
    lower(btrim(decision.decided_by)),
    decision.decision_id DESC;

-- A number from 0 to under 1 that is the pair's own for a purpose, the same in every run and on every machine: pairs below a
-- declared share get a second opinion, or test the model instead of training it.
CREATE FUNCTION identity.pair_chance(
    partner_left text,
    source_person_id_left text,
    partner_right text,
    source_person_id_right text,
    purpose text
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        ('x' || left(
            md5(jsonb_build_array(purpose, partner_left, source_person_id_left, partner_right, source_person_id_right)::text),
            8
        ))::bit(32)::bigint / 4294967296.0::double precision
$$;

-- The first day of the newest month of which something is loaded.
CREATE FUNCTION identity.newest_month()
RETURNS date
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT date_trunc('month', max(coalesce(delivery.period, delivery.as_of)))::date
    FROM ledger.delivery AS delivery
    INNER JOIN ledger.load AS load USING (delivery_id)
$$;

-- Write a look down, in the steward's ledger too; its number, or none where there is no such pair. The ledger learns who
-- looked at which pair and why it was in the queue, never what stood there.
CREATE FUNCTION identity.note_look(asked_pair bigint, asked_why text, asked_by text)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pair identity.review_pair;
    number bigint;
BEGIN
    SELECT * INTO pair FROM identity.review_pair AS p WHERE p.pair_id = asked_pair;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO identity.pair_look (pair_id, looked_by, why)
    VALUES (asked_pair, asked_by, asked_why)
    RETURNING look_id INTO number;
    INSERT INTO ledger.event (actor, what, facts)
    VALUES (
        btrim(asked_by),
        'looked at a pair',
        jsonb_build_object(
            'pair', asked_pair,
            'why', asked_why,
            'partners', jsonb_build_array(pair.partner_left, pair.partner_right),
            'role', session_user
        )
    );
    RETURN number;
END
$$;

-- What is known today of one source person, by column: the newest value of each over the given feeds, as linkage takes them
-- (linkage/run.py). An address is taken whole. For the function below only.
CREATE FUNCTION identity.record_of(asked_partner text, asked_id text, feeds text[])
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE known_id AS (
        SELECT asked_id AS source_person_id
        UNION
        SELECT changed.source_person_id
        FROM known_id
        INNER JOIN record.person_key_change AS changed ON changed.became = known_id.source_person_id
        WHERE changed.partner = asked_partner
            AND NOT EXISTS (
                SELECT
                FROM record.person AS again
                WHERE again.feed = changed.feed
                    AND again.source_person_id = changed.source_person_id
                    AND (again.known_to IS NULL OR again.as_of > changed.as_of)
            )
    ),

    said AS (
        SELECT
            field.name,
            field.value,
            person.as_of,
            person.feed
        FROM known_id
        INNER JOIN record.person AS person USING (source_person_id)
        CROSS JOIN LATERAL (
            VALUES
                ('first_name', person.first_name),
                ('middle_name', person.middle_name),
                ('last_name', person.last_name),
                ('name_suffix', person.name_suffix),
                ('birth_date', person.birth_date::text),
                ('sex', person.sex),
                ('ssn', person.ssn),
                ('email', person.email),
                ('phone', person.phone)
        ) AS field (name, value)
        WHERE person.partner = asked_partner
            AND person.known_to IS NULL
            AND person.feed = ANY(feeds)
            AND field.value IS NOT NULL
    ),

    newest AS (
        SELECT DISTINCT ON (said.name)
            said.name,
            said.value
        FROM said
        ORDER BY said.name, said.as_of DESC, said.feed
    ),

    address AS (
        SELECT
            address.address_line,
            address.city,
            address.postal_code
        FROM known_id
        INNER JOIN record.person_address AS address USING (source_person_id)
        WHERE address.partner = asked_partner
            AND address.known_to IS NULL
            AND address.feed = ANY(feeds)
        ORDER BY (address.address_line IS NULL), address.as_of DESC, address.feed
        LIMIT 1
    )

    SELECT (SELECT jsonb_object_agg(newest.name, newest.value) FROM newest)
        || coalesce((SELECT jsonb_strip_nulls(to_jsonb(address)) FROM address), '{}'::jsonb)
$$;

-- A number of which a reader needs to see where two differ: its last four digits, and those in which it is not the other.
CREATE FUNCTION identity.masked(number text, other text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(
        CASE
            WHEN place.at > length(number) - 4 THEN substr(number, place.at, 1)
            WHEN length(other) = length(number) AND substr(number, place.at, 1) <> substr(other, place.at, 1)
                THEN substr(number, place.at, 1)
            ELSE '•'
        END,
        '' ORDER BY place.at
    )
    FROM generate_series(1, length(number)) AS place (at)
$$;

-- Who else is held for the same person as a source person, as counts by partner, and in which programs that person took part
-- in the newest month. Ids that a partner has changed count once. For the function below only.
CREATE FUNCTION identity.beside(asked_partner text, asked_id text)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH self AS (
        SELECT link.person_id
        FROM identity.person_link AS link
        WHERE link.partner = asked_partner
            AND link.source_person_id = asked_id
    ),

    other AS (
        SELECT
            link.partner,
            count(*) AS records
        FROM self
        INNER JOIN identity.person_link AS link USING (person_id)
        WHERE (link.partner, link.source_person_id) <> (asked_partner, asked_id)
            AND NOT EXISTS (
                SELECT
                FROM record.person_key_change AS changed
                WHERE changed.partner = link.partner
                    AND changed.source_person_id = link.source_person_id
            )
        GROUP BY link.partner
    ),

    served AS (
        SELECT DISTINCT spell.program
        FROM self
        INNER JOIN integrated.participation AS spell USING (person_id)
        WHERE spell.entry_date < identity.newest_month() + INTERVAL '1 month'
            AND (spell.exit_date IS NULL OR spell.exit_date >= identity.newest_month())
    )

    SELECT jsonb_build_object(
        'others', coalesce((SELECT jsonb_object_agg(other.partner, other.records) FROM other), '{}'::jsonb),
        'programs', coalesce((SELECT jsonb_agg(served.program ORDER BY served.program) FROM served), '[]'::jsonb)
    )
$$;

-- The two records of a look, to the role that made it, within the minute, and only once the look is committed: a look that is
-- rolled back shows nothing. `feeds` are those that may be linked on the day; of other feeds nothing is shown, and nothing at
-- all where consent withholds either person from every use.
CREATE FUNCTION identity.show_look(asked_look bigint, feeds text[], day date)
RETURNS TABLE (record_left jsonb, record_right jsonb, beside_left jsonb, beside_right jsonb)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pair identity.review_pair;
    one jsonb;
    two jsonb;
BEGIN
    SELECT p.* INTO pair
    FROM identity.pair_look AS l
    INNER JOIN identity.review_pair AS p USING (pair_id)
    WHERE l.look_id = asked_look
        AND l.role = session_user
        AND l.transaction <> pg_current_xact_id()
        AND l.looked_at > clock_timestamp() - INTERVAL '1 minute';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM 1
    FROM identity.withheld_record(day, statement_timestamp()) AS withheld
    WHERE (withheld.partner, withheld.source_person_id) IN (
        (pair.partner_left, pair.source_person_id_left), (pair.partner_right, pair.source_person_id_right)
    );
    IF FOUND THEN
        RETURN;
    END IF;
    one := identity.record_of(pair.partner_left, pair.source_person_id_left, feeds);
    two := identity.record_of(pair.partner_right, pair.source_person_id_right, feeds);
    IF one IS NULL OR two IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT
        jsonb_strip_nulls(one || jsonb_build_object('ssn', identity.masked(one ->> 'ssn', two ->> 'ssn'))),
        jsonb_strip_nulls(two || jsonb_build_object('ssn', identity.masked(two ->> 'ssn', one ->> 'ssn'))),
        identity.beside(pair.partner_left, pair.source_person_id_left),
        identity.beside(pair.partner_right, pair.source_person_id_right);
END
$$;

-- The column of either record that a reason quotes, none where it quotes nothing: a word of four letters or digits or more that
-- stands in both. Asked with a look that its role made within the day, so that nobody can guess at values that were not shown.
CREATE FUNCTION identity.quoted(asked_look bigint, reason text, feeds text[])
RETURNS text
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH said AS (
        SELECT
            field.key,
            regexp_split_to_table(lower(field.value), '[^[:alnum:]]+') AS word
        FROM identity.pair_look AS looked
        INNER JOIN identity.review_pair AS pair USING (pair_id)
        CROSS JOIN LATERAL (
            VALUES
                (identity.record_of(pair.partner_left, pair.source_person_id_left, feeds)),
                (identity.record_of(pair.partner_right, pair.source_person_id_right, feeds))
        ) AS record (content)
        CROSS JOIN LATERAL jsonb_each_text(record.content) AS field (key, value)
        WHERE looked.look_id = asked_look
            AND looked.role = session_user
            AND looked.transaction <> pg_current_xact_id()
            AND looked.looked_at > clock_timestamp() - INTERVAL '1 day'
    )

    SELECT min(said.key)
    FROM said
    INNER JOIN regexp_split_to_table(lower(reason), '[^[:alnum:]]+') AS given (word) USING (word)
    WHERE length(said.word) >= 4
$$;

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON identity.review_pair TO kb_linkage;
GRANT SELECT ON identity.review_pair, identity.pair_opinion, identity.pair_look TO kb_steward;
GRANT SELECT ON identity.pair_opinion TO kb_linkage;
GRANT EXECUTE ON FUNCTION
identity.note_look(bigint, text, text), identity.show_look(bigint, text[], date), identity.quoted(bigint, text, text[])
TO kb_steward;
GRANT EXECUTE ON FUNCTION identity.pair_chance(text, text, text, text, text) TO kb_steward, kb_linkage;
GRANT EXECUTE ON FUNCTION identity.newest_month() TO kb_linkage;
