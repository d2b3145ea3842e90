-- The calendar's part of the ledger: pauses, mails, and what each mail told. Statuses of periods are not kept: they follow
-- from ledger.delivery, the contracts and the agreements, and a copy could drift.

-- Grain: one row per pause of a partner. `until` is its last day; without it, it lasts until somebody resumes.
CREATE TABLE ledger.pause (
    pause_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_pause PRIMARY KEY,
    partner text NOT NULL,
    reason text NOT NULL,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    until date,
    resumed_by text,
    resumed_at timestamptz,
    CONSTRAINT ck_pause_reason CHECK (btrim(reason) <> ''),
    CONSTRAINT ck_pause_resumed CHECK ((resumed_by IS NULL) = (resumed_at IS NULL)),
    CONSTRAINT ck_pause_order CHECK (resumed_at >= paused_at)
);
CREATE UNIQUE INDEX uq_pause_open ON ledger.pause (partner) WHERE resumed_at IS NULL;

-- Grain: one row per message to a partner's contacts and our office, written whether or not it could be sent.
CREATE TABLE ledger.mail (
    mail_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_mail PRIMARY KEY,
    partner text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    recipients integer NOT NULL,
    outcome text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_mail_outcome CHECK (outcome IN ('sent', 'not sent: no mail connection'))
);

-- Grain: one row per thing that was told: a kind of alert about one period of a feed (of a silent partner, without a
-- feed), or one state of a delivery. Written in the transaction that sends, so that each is told once.
CREATE TABLE ledger.notice (
    notice_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_notice PRIMARY KEY,
    mail_id bigint NOT NULL CONSTRAINT fk_notice_mail REFERENCES ledger.mail,
    partner text NOT NULL,
    kind text NOT NULL,
    feed text,
    period date,
    delivery_id bigint CONSTRAINT fk_notice_delivery REFERENCES ledger.delivery,
    state text,
    CONSTRAINT uq_notice UNIQUE NULLS NOT DISTINCT (partner, kind, feed, period, delivery_id, state),
    CONSTRAINT ck_notice_kind CHECK (kind IN ('reminder', 'overdue', 'doubled', 'silent', 'delivery')),
    CONSTRAINT ck_notice_feed CHECK ((feed IS NULL) = (kind = 'silent')),
    CONSTRAINT ck_notice_period CHECK ((period IS NULL) = (kind = 'delivery')),
    CONSTRAINT ck_notice_delivery CHECK ((delivery_id IS NULL) = (kind <> 'delivery')),
    CONSTRAINT ck_notice_state CHECK ((state IS NULL) = (kind <> 'delivery'))
);
CREATE INDEX ix_notice_mail ON ledger.notice (mail_id);
CREATE INDEX ix_notice_delivery ON ledger.notice (delivery_id);

GRANT SELECT, INSERT ON ledger.pause, ledger.mail, ledger.notice TO kb_pipeline;
GRANT UPDATE (resumed_by, resumed_at) ON ledger.pause TO kb_pipeline;
GRANT SELECT ON ledger.pause, ledger.mail, ledger.notice TO kb_steward;
