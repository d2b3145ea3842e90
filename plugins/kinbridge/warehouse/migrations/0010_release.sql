-- Releases: named extracts for a recipient, whom they are about, what was disclosed under which clause, and recalls.
-- kb_pipeline asks for a release and takes down the approvals; kb_linkage makes, sends and records it. Codes and persons
-- (schema release) are open to kb_linkage alone: who holds a code must not find out whose it is.

------------------------------------------------------------------------------------------------------------ ledger

-- Grain: one row per request for a named extract. `digest` is that of the declaration and its SQL as they were when the
-- request was made: what was approved is what is built. The states are in kinbridge/release/states.py.
CREATE TABLE ledger.release (
    release_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_release PRIMARY KEY,
    request_key text NOT NULL CONSTRAINT uq_release_request_key UNIQUE,
    name text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    recipient text NOT NULL,
    recipient_name text NOT NULL,
    recipient_address text NOT NULL,
    use_case text NOT NULL,
    purpose text NOT NULL,
    agreement_id text NOT NULL,
    agreement_version text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    proposal_id bigint,
    first_approver text,
    second_approver text,
    state text NOT NULL DEFAULT 'requested',
    state_reason text,
    minimum_group integer,
    persons bigint,
    rows bigint,
    withheld_persons bigint,
    excluded_persons bigint,
    sha256 text,
    size_bytes bigint,
    built_at timestamptz,
    sources jsonb NOT NULL DEFAULT '{}',
    outbox text,
    issued_at timestamptz,
    expires_on date,
    destroyed_on date,
    CONSTRAINT ck_release_state CHECK (state IN (
        'requested', 'rejected', 'approved', 'built', 'sending', 'issued', 'withdrawn', 'destroyed'
    )),
    CONSTRAINT ck_release_reason CHECK (btrim(reason) <> ''),
    -- Whatever a program does: nothing leaves without two people, and the one who asked is neither of them.
    CONSTRAINT ck_release_approvers CHECK (
        state IN ('requested', 'rejected', 'withdrawn')
        OR (
            first_approver IS NOT NULL
            AND second_approver IS NOT NULL
            AND lower(btrim(first_approver)) <> lower(btrim(second_approver))
            AND lower(btrim(requested_by)) NOT IN (lower(btrim(first_approver)), lower(btrim(second_approver)))
        )
    ),
    CONSTRAINT ck_release_built CHECK (
        state IN ('requested', 'rejected', 'approved', 'withdrawn')
        OR (
            built_at IS NOT NULL
            AND sha256 IS NOT NULL
            AND expires_on IS NOT NULL
            AND persons IS NOT NULL
            AND rows IS NOT NULL
            AND withheld_persons IS NOT NULL
            AND excluded_persons IS NOT NULL
        )
    ),
    CONSTRAINT ck_release_group CHECK (minimum_group >= 11),
    CONSTRAINT ck_release_issued CHECK ((issued_at IS NOT NULL) = (state IN ('issued', 'destroyed')))
);
CREATE INDEX ix_release_recipient ON ledger.release (recipient);

-- Grain: one row per release, column of the file, element that it is made of, and feed whose data are in it.
CREATE TABLE ledger.disclosure (
    release_id bigint NOT NULL CONSTRAINT fk_disclosure_release REFERENCES ledger.release,
    column_name text NOT NULL,
    element text NOT NULL,
    feed text NOT NULL,
    form text NOT NULL,
    agreement_id text NOT NULL,
    agreement_version text NOT NULL,
    clause text NOT NULL,
    CONSTRAINT pk_disclosure PRIMARY KEY (release_id, column_name, element, feed)
);

-- Grain: one row per thing that a recipient must take out again: persons who are withheld now (cause `withheld`), an
-- element that is not covered any more, an agreement that has ended. `detail` names the element or the agreement.
CREATE TABLE ledger.recall (
    recall_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_recall PRIMARY KEY,
    release_id bigint NOT NULL CONSTRAINT fk_recall_release REFERENCES ledger.release,
    cause text NOT NULL,
    detail text NOT NULL DEFAULT '',
    clause text NOT NULL,
    reason text NOT NULL,
    stands text NOT NULL,
    persons bigint NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_on date NOT NULL,
    file_name text,
    told_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text,
    CONSTRAINT ck_recall_cause CHECK (cause IN ('withheld', 'element', 'agreement')),
    CONSTRAINT ck_recall_told CHECK ((told_at IS NULL) = (file_name IS NULL)),
    CONSTRAINT ck_recall_acknowledged CHECK (
        (acknowledged_at IS NULL) = (acknowledged_by IS NULL)
        AND (acknowledged_at IS NULL OR told_at IS NOT NULL)
    )
);
CREATE INDEX ix_recall_release ON ledger.recall (release_id);
CREATE UNIQUE INDEX uq_recall_cause ON ledger.recall (release_id, cause, detail) WHERE cause <> 'withheld';

----------------------------------------------------------------------------------------------------------- release

-- Grain: one row per release and person in it. The code is random, never derived from anything (45 CFR 164.514(c)).
CREATE TABLE release.member (
    release_id bigint NOT NULL CONSTRAINT fk_member_release REFERENCES ledger.release,
    person_id uuid NOT NULL,
    code uuid NOT NULL,
    CONSTRAINT pk_member PRIMARY KEY (release_id, person_id),
    CONSTRAINT uq_member_code UNIQUE (release_id, code),
    CONSTRAINT ck_member_code CHECK (code <> person_id)
);
CREATE INDEX ix_member_person ON release.member (person_id);

-- Grain: one row per release, person and partner's id of that person, as they were linked when the release was made:
-- links change, and what was disclosed about whom does not.
CREATE TABLE release.member_source (
    release_id bigint NOT NULL,
    person_id uuid NOT NULL,
    partner text NOT NULL,
    source_person_id text NOT NULL,
    CONSTRAINT pk_member_source PRIMARY KEY (partner, source_person_id, release_id),
    CONSTRAINT fk_member_source_member FOREIGN KEY (release_id, person_id) REFERENCES release.member
);
CREATE INDEX ix_member_source_member ON release.member_source (release_id, person_id);

-- Grain: one row per release, person in it and program of which nothing was given, since consent had withheld it already: that
-- calls for no recall.
CREATE TABLE release.withheld_before (
    release_id bigint NOT NULL,
    person_id uuid NOT NULL,
    program text NOT NULL,
    CONSTRAINT pk_withheld_before PRIMARY KEY (release_id, person_id, program),
    CONSTRAINT fk_withheld_before_member FOREIGN KEY (release_id, person_id) REFERENCES release.member
);

-- Grain: one row per recipient, use case and person, for releases whose declaration keeps codes the same for a recipient.
CREATE TABLE release.recipient_code (
    recipient text NOT NULL,
    use_case text NOT NULL,
    person_id uuid NOT NULL,
    code uuid NOT NULL,
    CONSTRAINT pk_recipient_code PRIMARY KEY (recipient, use_case, person_id),
    CONSTRAINT uq_recipient_code UNIQUE (code)
);

-- Grain: one row per file of a release that was built and is not yet delivered: encrypted to the recipient, so that nobody
-- here can read it. A second try sends the very same bytes. Rows go when the release is issued.
CREATE TABLE release.package (
    release_id bigint NOT NULL CONSTRAINT fk_package_release REFERENCES ledger.release,
    position integer NOT NULL,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT pk_package PRIMARY KEY (release_id, position)
);
-- Encrypted bytes do not get smaller.
ALTER TABLE release.package ALTER COLUMN content SET STORAGE EXTERNAL;

-- Grain: one row per release and person that a recall concerns; each person is recalled from a release once.
CREATE TABLE release.recall_member (
    release_id bigint NOT NULL,
    person_id uuid NOT NULL,
    recall_id bigint NOT NULL CONSTRAINT fk_recall_member_recall REFERENCES ledger.recall,
    CONSTRAINT pk_recall_member PRIMARY KEY (release_id, person_id),
    CONSTRAINT fk_recall_member_member FOREIGN KEY (release_id, person_id) REFERENCES release.member
);
CREATE INDEX ix_recall_member_recall ON release.recall_member (recall_id);

-- The accounting of disclosures of one person (45 CFR 164.528), for a steward, who may read no identities: what was sent
-- about the person whom the partner knows by this id, since the day given. Releases under way count: they may be out.
-- Each call is an event, written by the function itself, so that no look goes unseen; the id is not in it.
CREATE FUNCTION release.accounting(wanted_partner text, wanted_id text, since date, looked_by text)
RETURNS TABLE (release_id bigint, cause text, recalled_at timestamptz, acknowledged_at timestamptz)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO ledger.event (actor, what, facts)
    VALUES (
        looked_by,
        'traced a person',
        jsonb_build_object('partner', wanted_partner, 'since', since, 'role', session_user)
    );
    RETURN QUERY
    SELECT
        r.release_id,
        c.cause,
        c.told_at,
        c.acknowledged_at
    FROM release.member_source AS s
    INNER JOIN ledger.release AS r ON r.release_id = s.release_id
    LEFT JOIN release.recall_member AS m ON m.release_id = s.release_id AND m.person_id = s.person_id
    LEFT JOIN ledger.recall AS c ON c.recall_id = m.recall_id
    WHERE s.partner = wanted_partner
        AND s.source_person_id = wanted_id
        AND r.state IN ('sending', 'issued', 'destroyed')
        AND coalesce(r.issued_at, r.built_at) >= since
    ORDER BY r.release_id;
END
$$;

------------------------------------------------------------------------------------------------------------ grants

REVOKE ALL ON FUNCTION release.accounting(text, text, date, text) FROM PUBLIC;
GRANT USAGE ON SCHEMA release TO kb_linkage, kb_steward;
GRANT EXECUTE ON FUNCTION release.accounting(text, text, date, text) TO kb_steward;

GRANT SELECT, INSERT ON ledger.release TO kb_pipeline;
GRANT UPDATE (proposal_id, first_approver, second_approver, state, state_reason) ON ledger.release TO kb_pipeline;
GRANT SELECT ON ledger.release TO kb_linkage;
GRANT UPDATE (
    state, state_reason, minimum_group, persons, rows, withheld_persons, excluded_persons, sha256, size_bytes, built_at,
    sources, outbox, issued_at, expires_on
) ON ledger.release TO kb_linkage;
GRANT SELECT, INSERT ON ledger.disclosure TO kb_linkage;
GRANT SELECT, INSERT ON ledger.recall TO kb_linkage;
GRANT UPDATE (told_at, file_name) ON ledger.recall TO kb_linkage;
GRANT SELECT ON ledger.release, ledger.disclosure, ledger.recall TO kb_steward;
GRANT UPDATE (acknowledged_at, acknowledged_by, note) ON ledger.recall TO kb_steward;
-- A recall is told by e-mail too.
GRANT INSERT ON ledger.mail TO kb_linkage;
-- What a trace walks through, from a figure or a release to a file.
GRANT SELECT ON ledger.event TO kb_linkage;

GRANT SELECT, INSERT ON
release.member, release.member_source, release.withheld_before, release.recipient_code, release.recall_member
TO kb_linkage;
GRANT SELECT, INSERT, DELETE ON release.package TO kb_linkage;
