-- target: integrated.referral
-- grain: one row per person, receiving program and day
-- sources: usable_referral, usable_early_intervention (whether there are any), integrated.person,
--   integrated.participation
-- Already served: a spell that began before the referral and had not ended by it. Else the first spell that begins on the
-- day of the referral or later is the service that it became.
INSERT INTO integrated.referral (
    referral_id,
    person_id,
    referred_to_program,
    referral_date,
    county_fips,
    observable,
    service_start_date,
    days_to_service,
    outcome
)
WITH observed AS (
    SELECT participation.program
    FROM integrated.participation
    UNION
    SELECT 'early_intervention' AS program
    WHERE EXISTS (SELECT 1 FROM usable_early_intervention)
),

asked AS (
    SELECT DISTINCT
        referral.person_id,
        referral.referred_to_program,
        referral.referral_date
    FROM usable_referral AS referral
),

followed AS (
    SELECT
        asked.person_id,
        asked.referred_to_program,
        asked.referral_date,
        BOOL_OR(
            spell.entry_date < asked.referral_date
            AND COALESCE(spell.exit_date, 'infinity'::date) >= asked.referral_date
        ) AS already_served,
        MIN(spell.entry_date) FILTER (WHERE spell.entry_date >= asked.referral_date) AS first_start
    FROM asked
    LEFT JOIN integrated.participation AS spell
        ON spell.person_id = asked.person_id
        AND spell.program = asked.referred_to_program
    GROUP BY
        asked.person_id,
        asked.referred_to_program,
        asked.referral_date
),

judged AS (
    SELECT
        followed.person_id,
        followed.referred_to_program,
        followed.referral_date,
        followed.first_start,
        observed.program IS NOT NULL AS observable,
        CASE
            WHEN observed.program IS NULL THEN 'not_observable'
            WHEN followed.already_served THEN 'already_served'
            WHEN followed.first_start IS NOT NULL THEN 'became_service'
            ELSE 'no_service'
        END AS outcome
    FROM followed
    LEFT JOIN observed ON observed.program = followed.referred_to_program
)

SELECT
    ROW_NUMBER() OVER (
        ORDER BY judged.person_id, judged.referred_to_program, judged.referral_date
    ) AS referral_id,
    judged.person_id,
    judged.referred_to_program,
    judged.referral_date,
    person.county_fips,
    judged.observable,
    CASE WHEN judged.outcome = 'became_service' THEN judged.first_start END AS service_start_date,
    CASE WHEN judged.outcome = 'became_service' THEN judged.first_start - judged.referral_date END AS days_to_service,
    judged.outcome
FROM judged
INNER JOIN integrated.person ON person.person_id = judged.person_id;

ANALYZE integrated.referral;
