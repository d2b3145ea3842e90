-- What people decided about pairs of source persons: one person, two people, or unsure. Run by the owner.
-- A decision is about the partners' own ids, so it outlives every run and every person id. Nothing here is changed or removed
-- but with a person's records: a decision that was wrong is withdrawn by another row.

---------------------------------------------------------------------------------------------------------- identity

-- Grain: one row per decision of one person on one pair, the smaller (partner, source_person_id) on the left. `withdraws`
-- names the decision that this row takes back; such a row has no verdict of its own. `reason` says why in words without
-- values of the records. `seen` is what the reviewer was shown, in numbers: weight, model, thresholds.
CREATE TABLE identity.pair_decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_pair_decision PRIMARY KEY,
    partner_left text NOT NULL,
    source_person_id_left text NOT NULL,
    partner_right text NOT NULL,
    source_person_id_right text NOT NULL,
    verdict text,
    withdraws bigint
    CONSTRAINT fk_pair_decision_withdraws REFERENCES identity.pair_decision
    CONSTRAINT uq_pair_decision_withdraws UNIQUE,
    reason text NOT NULL,
    seen jsonb NOT NULL DEFAULT '{}',
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ck_pair_decision_verdict CHECK (verdict IN ('same', 'different', 'unsure')),
    CONSTRAINT ck_pair_decision_kind CHECK ((verdict IS NULL) = (withdraws IS NOT NULL)),
    CONSTRAINT ck_pair_decision_order CHECK (
        (partner_left, source_person_id_left) < (partner_right, source_person_id_right)
    ),
    CONSTRAINT ck_pair_decision_reason CHECK (btrim(reason) <> ''),
    CONSTRAINT ck_pair_decision_decided_by CHECK (btrim(decided_by) <> '')
);
CREATE INDEX ix_pair_decision_left ON identity.pair_decision (partner_left, source_person_id_left);
CREATE INDEX ix_pair_decision_right ON identity.pair_decision (partner_right, source_person_id_right);

-- Grain: one row per pair with a decision that stands: each reviewer's newest one counts. `verdict` is what linkage obeys:
-- where reviewers disagree, the two records stay apart, which can be mended, until somebody changes their mind.
CREATE VIEW identity.pair_verdict WITH (security_invoker = true) AS
WITH standing AS (
    SELECT DISTINCT ON (
        decision.partner_left, decision.source_person_id_left,
        decision.partner_right, decision.source_person_id_right, lower(btrim(decision.decided_by))
    )
        decision.*
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
        decision.decision_id DESC
)

SELECT
    partner_left,
    source_person_id_left,
    partner_right,
    source_person_id_right,
    CASE
        WHEN bool_or(verdict = 'different') THEN 'different'
        WHEN bool_or(verdict = 'same') THEN 'same'
        ELSE 'unsure'
    END AS verdict,
    bool_or(verdict = 'different') AND bool_or(verdict = 'same') AS disagreed,
    count(*) AS reviewers,
    max(decision_id) AS newest_decision_id,
    max(decided_at) AS decided_at
FROM standing
GROUP BY
    partner_left,
    source_person_id_left,
    partner_right,
    source_person_id_right;

------------------------------------------------------------------------------------------------------------ grants

GRANT SELECT ON identity.pair_decision, identity.pair_verdict TO kb_linkage;
GRANT SELECT ON identity.pair_decision, identity.pair_verdict TO kb_steward;
GRANT INSERT (
    partner_left, source_person_id_left, partner_right, source_person_id_right,
    verdict, withdraws, reason, seen, decided_by
) ON identity.pair_decision TO kb_steward;
