-- Proposals, who was asked, how they voted, and what was decided. Rows are added and never changed: a decision is
-- overturned by a later one. Who may vote, and by which rule votes are counted, is in the charter (include/governance).

-- Grain: one row per proposal. `digest` is that of the text that is decided on; the same text may be proposed again after
-- it was rejected or lapsed, as a further `attempt`. `charter_digest` covers the rules and quorums that were promised.
CREATE TABLE ledger.proposal (
    proposal_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_proposal PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    version text NOT NULL,
    digest text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    title text NOT NULL,
    options text[] NOT NULL DEFAULT '{}',
    reasons text NOT NULL,
    partners text[] NOT NULL DEFAULT '{}',
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closes_on date NOT NULL,
    effective date,
    body text NOT NULL,
    rule text NOT NULL,
    charter_version text NOT NULL,
    charter_digest text NOT NULL,
    CONSTRAINT uq_proposal UNIQUE (kind, subject, version, digest, attempt),
    CONSTRAINT ck_proposal_kind CHECK (kind IN (
        'agreement', 'standard', 'use_case', 'element', 'release', 'override', 'destruction'
    )),
    CONSTRAINT ck_proposal_reasons CHECK (btrim(reasons) <> ''),
    CONSTRAINT ck_proposal_proposed_by CHECK (btrim(proposed_by) <> '')
);

-- Grain: one row per member who was asked, as the charter had them that day. The one who proposed is never among them.
CREATE TABLE ledger.asked (
    proposal_id bigint NOT NULL CONSTRAINT fk_asked_proposal REFERENCES ledger.proposal,
    member text NOT NULL,
    name text NOT NULL,
    speaks_for text NOT NULL,
    votes boolean NOT NULL,
    CONSTRAINT pk_asked PRIMARY KEY (proposal_id, member)
);

-- Grain: one row per ballot. Only who was asked can answer, and only once. `recorded_by` is who entered it: the member's
-- own log-in, or, with `evidence`, somebody who took it down where a body met.
CREATE TABLE ledger.ballot (
    proposal_id bigint NOT NULL,
    member text NOT NULL,
    choice text NOT NULL,
    reason text NOT NULL DEFAULT '',
    cast_at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    evidence text,
    CONSTRAINT pk_ballot PRIMARY KEY (proposal_id, member),
    CONSTRAINT fk_ballot_asked FOREIGN KEY (proposal_id, member) REFERENCES ledger.asked,
    CONSTRAINT ck_ballot_choice CHECK (choice IN ('approve', 'reject', 'abstain', 'recuse')),
    CONSTRAINT ck_ballot_reason CHECK (choice IN ('approve', 'abstain') OR btrim(reason) <> '')
);

-- Grain: one row per proposal that is decided. An approval counts from `effective` on.
CREATE TABLE ledger.outcome (
    proposal_id bigint CONSTRAINT pk_outcome PRIMARY KEY CONSTRAINT fk_outcome_proposal REFERENCES ledger.proposal,
    state text NOT NULL,
    why text NOT NULL,
    decided_at timestamptz NOT NULL,
    decided_on date NOT NULL,
    effective date NOT NULL,
    CONSTRAINT ck_outcome_state CHECK (state IN ('approved', 'rejected', 'lapsed')),
    CONSTRAINT ck_outcome_effective CHECK (effective >= decided_on)
);

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT, INSERT ON ledger.proposal, ledger.asked, ledger.ballot, ledger.outcome TO kb_pipeline;
GRANT SELECT ON ledger.proposal, ledger.asked, ledger.ballot, ledger.outcome TO kb_steward;
-- Link and publish ask what was decided, and not who voted how.
GRANT SELECT ON ledger.proposal, ledger.outcome TO kb_linkage;
