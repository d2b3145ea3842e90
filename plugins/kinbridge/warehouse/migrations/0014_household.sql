-- Relations and households over time. Run by the owner.

--------------------------------------------------------------------------------------------------------- relation

-- Grain: one row per statement of a relation and the time for which it stood: since the as-of day of the delivery that said
-- it first, until that of the one that said it no more (half-open; null while it stands). `kind` is what the first person
-- is to the second. `statement` says whether the partner stated it in so many words (`relationship`), or by the roles in a
-- `case`. `delivery_id` and `line_no` lead to the row of the file.
CREATE TABLE identity.relation (
    person_id uuid NOT NULL,
    related_person_id uuid NOT NULL,
    kind text NOT NULL,
    statement text NOT NULL,
    partner text NOT NULL,
    feed text NOT NULL,
    source_person_id text NOT NULL,
    related_source_person_id text NOT NULL,
    source_family_id text,
    delivery_id bigint NOT NULL,
    line_no bigint NOT NULL,
    since date NOT NULL,
    until date,
    CONSTRAINT ck_relation_statement CHECK (statement IN ('relationship', 'case')),
    CONSTRAINT ck_relation_two CHECK (person_id <> related_person_id),
    CONSTRAINT ck_relation_span CHECK (until > since)
);
CREATE INDEX ix_relation_person ON identity.relation (person_id);
CREATE INDEX ix_relation_related ON identity.relation (related_person_id);

-------------------------------------------------------------------------------------------------------- household

-- Grain: one row per household. The id is random.
CREATE TABLE identity.household (
    household_id uuid CONSTRAINT pk_household PRIMARY KEY
);

-- Grain: one row per household, member and spell; both days are as-of days of deliveries, half-open, null while it lasts. Who
-- lived with whom on a day: since <= day AND (until IS NULL OR until > day). A person may be of two households at once.
CREATE TABLE identity.household_member (
    household_id uuid NOT NULL CONSTRAINT fk_household_member_household REFERENCES identity.household,
    person_id uuid NOT NULL,
    since date NOT NULL,
    until date,
    CONSTRAINT pk_household_member PRIMARY KEY (household_id, person_id, since),
    CONSTRAINT ck_household_member_span CHECK (until > since)
);
CREATE INDEX ix_household_member_person ON identity.household_member (person_id);

-- Grain: one row per household, person and statement that places the person there, with the time for which it did. `kind`:
-- the `case` of a partner that names the person; the `person`, alone, where a partner names no case; the `address` by which
-- cases were joined, with what they `shared` besides (members, surname, phone, relation).
CREATE TABLE identity.household_evidence (
    household_id uuid NOT NULL CONSTRAINT fk_household_evidence_household REFERENCES identity.household,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    shared text,
    partner text NOT NULL,
    feed text NOT NULL,
    source_person_id text NOT NULL,
    source_family_id text,
    delivery_id bigint NOT NULL,
    line_no bigint NOT NULL,
    since date NOT NULL,
    until date,
    CONSTRAINT ck_household_evidence_kind CHECK (kind IN ('case', 'person', 'address')),
    CONSTRAINT ck_household_evidence_shared CHECK ((kind = 'address') = (shared IS NOT NULL)),
    CONSTRAINT ck_household_evidence_span CHECK (until > since)
);
CREATE INDEX ix_household_evidence_household ON identity.household_evidence (household_id, person_id);

------------------------------------------------------------------------------------------------------- destruction

-- What was said of a partner's person goes with the link to it, and a person's spells with the person.
CREATE FUNCTION identity.forget_statements() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM identity.relation AS r
    USING gone
    WHERE r.partner = gone.partner AND gone.source_person_id IN (r.source_person_id, r.related_source_person_id);
    DELETE FROM identity.household_evidence AS e
    USING gone
    WHERE e.partner = gone.partner AND e.source_person_id = gone.source_person_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION identity.forget_spells() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM identity.household_member AS m
    USING gone
    WHERE m.person_id = gone.person_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_statements AFTER DELETE ON identity.person_link
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION identity.forget_statements();
CREATE TRIGGER forget_spells AFTER DELETE ON identity.person
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION identity.forget_spells();

------------------------------------------------------------------------------------------------------------ grants

REVOKE ALL ON FUNCTION identity.forget_statements (), identity.forget_spells () FROM PUBLIC;
GRANT SELECT, INSERT, DELETE, MAINTAIN ON
identity.relation, identity.household, identity.household_member, identity.household_evidence
TO kb_linkage;
