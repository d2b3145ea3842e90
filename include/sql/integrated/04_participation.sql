-- target: integrated.participation
-- grain: one row per person, program and unbroken spell
-- sources: usable_enrollment, usable_exit, usable_early_intervention
-- Gaps and islands: spans that overlap, or of which one begins on the day after the other ends, are one spell.
-- An enrollment that has no exit of its own ends with the exit that its partner told apart; of several, with the last.
-- A child takes part in early intervention from the first service, not from the referral.
INSERT INTO integrated.participation (person_id, program, entry_date, exit_date)
WITH told_apart AS (
    SELECT
        usable_exit.partner,
        usable_exit.source_enrollment_id,
        MAX(usable_exit.exit_date) AS exit_date
    FROM usable_exit
    GROUP BY
        usable_exit.partner,
        usable_exit.source_enrollment_id
),

span AS (
    SELECT
        enrollment.person_id,
        enrollment.program,
        enrollment.entry_date,
        COALESCE(enrollment.exit_date, told_apart.exit_date, 'infinity'::date) AS exit_date
    FROM usable_enrollment AS enrollment
    LEFT JOIN told_apart
        ON told_apart.partner = enrollment.partner
        AND told_apart.source_enrollment_id = enrollment.source_enrollment_id
    UNION ALL
    SELECT
        service.person_id,
        'early_intervention' AS program,
        service.service_start_date AS entry_date,
        COALESCE(service.exit_date, 'infinity'::date) AS exit_date
    FROM usable_early_intervention AS service
    WHERE service.service_start_date IS NOT NULL
),

ordered AS (
    SELECT
        span.person_id,
        span.program,
        span.entry_date,
        span.exit_date,
        MAX(span.exit_date) OVER (
            PARTITION BY span.person_id, span.program
            ORDER BY span.entry_date, span.exit_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM span
    WHERE span.entry_date <= span.exit_date
),

numbered AS (
    SELECT
        ordered.person_id,
        ordered.program,
        ordered.entry_date,
        ordered.exit_date,
        COUNT(*) FILTER (WHERE ordered.reached IS NULL OR ordered.entry_date > ordered.reached + 1) OVER (
            PARTITION BY ordered.person_id, ordered.program
            ORDER BY ordered.entry_date, ordered.exit_date
            ROWS UNBOUNDED PRECEDING
        ) AS island
    FROM ordered
)

SELECT
    numbered.person_id,
    numbered.program,
    MIN(numbered.entry_date) AS entry_date,
    NULLIF(MAX(numbered.exit_date), 'infinity'::date) AS exit_date
FROM numbered
GROUP BY
    numbered.person_id,
    numbered.program,
    numbered.island;

ANALYZE integrated.participation;
