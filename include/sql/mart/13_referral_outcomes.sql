-- target: mart.referral_outcomes
-- grain: one row per receiving program (or any) and county (or any) with a referral
-- sources: figure, code_label, parameter; referral (temporary, of this output's population)
DELETE FROM mart.referral_outcomes;

INSERT INTO mart.referral_outcomes (
    program,
    county,
    county_label,
    referrals,
    became_service,
    no_service,
    already_served,
    not_observable,
    share_became_service,
    median_days_to_service,
    referrals_withheld,
    became_service_withheld,
    no_service_withheld,
    already_served_withheld,
    not_observable_withheld,
    share_withheld,
    median_withheld
)
WITH pivoted AS (
    SELECT
        figure.programs AS program,
        figure.value AS county,
        JSONB_OBJECT_AGG(figure.characteristic, figure.n) AS n,
        JSONB_OBJECT_AGG(figure.characteristic, figure.withheld) AS withheld
    FROM figure
    WHERE figure.output = 'referral_outcomes'
        AND figure.published
    GROUP BY
        figure.programs,
        figure.value
),

counted AS (
    SELECT
        pivoted.program,
        pivoted.county,
        (pivoted.n ->> 'referrals')::integer AS referrals,
        COALESCE((pivoted.n ->> 'became_service')::integer, 0) AS became_service,
        COALESCE((pivoted.n ->> 'no_service')::integer, 0) AS no_service,
        COALESCE((pivoted.n ->> 'already_served')::integer, 0) AS already_served,
        COALESCE((pivoted.n ->> 'not_observable')::integer, 0) AS not_observable,
        (pivoted.withheld ->> 'referrals')::boolean AS referrals_withheld,
        COALESCE((pivoted.withheld ->> 'became_service')::boolean, FALSE) AS became_service_withheld,
        COALESCE((pivoted.withheld ->> 'no_service')::boolean, FALSE) AS no_service_withheld,
        COALESCE((pivoted.withheld ->> 'already_served')::boolean, FALSE) AS already_served_withheld,
        COALESCE((pivoted.withheld ->> 'not_observable')::boolean, FALSE) AS not_observable_withheld
    FROM pivoted
),

waited AS (
    SELECT
        CASE
            WHEN GROUPING(referral.referred_to_program) = 0 THEN referral.referred_to_program
            ELSE 'any program'
        END AS program,
        CASE
            WHEN GROUPING(COALESCE(referral.county_fips, 'unknown')) = 0 THEN COALESCE(referral.county_fips, 'unknown')
            ELSE 'any county'
        END AS county,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY referral.days_to_service) AS median_days
    FROM referral
    WHERE referral.outcome = 'became_service'
    GROUP BY
        CUBE (referral.referred_to_program, COALESCE(referral.county_fips, 'unknown'))
)

SELECT
    counted.program,
    counted.county,
    CASE
        WHEN counted.county = 'any county' THEN 'Any county'
        WHEN counted.county = 'unknown' THEN 'Unknown'
        ELSE COALESCE(code_label.label, counted.county)
    END AS county_label,
    CASE WHEN NOT counted.referrals_withheld THEN counted.referrals END AS referrals,
    CASE WHEN NOT counted.became_service_withheld THEN counted.became_service END AS became_service,
    CASE WHEN NOT counted.no_service_withheld THEN counted.no_service END AS no_service,
    CASE WHEN NOT counted.already_served_withheld THEN counted.already_served END AS already_served,
    CASE WHEN NOT counted.not_observable_withheld THEN counted.not_observable END AS not_observable,
    CASE
        WHEN NOT counted.became_service_withheld AND NOT counted.no_service_withheld
            THEN ROUND(
                counted.became_service::numeric / NULLIF(counted.became_service + counted.no_service, 0), 4
            )
    END AS share_became_service,
    CASE
        WHEN NOT counted.became_service_withheld AND counted.became_service >= parameter.minimum_cell
            THEN ROUND(waited.median_days::numeric, 1)
    END AS median_days_to_service,
    counted.referrals_withheld,
    counted.became_service_withheld,
    counted.no_service_withheld,
    counted.already_served_withheld,
    counted.not_observable_withheld,
    counted.became_service_withheld OR counted.no_service_withheld AS share_withheld,
    counted.became_service_withheld AS median_withheld
FROM counted
CROSS JOIN parameter
LEFT JOIN waited
    ON waited.program = counted.program
    AND waited.county = counted.county
LEFT JOIN code_label
    ON code_label.characteristic = 'county'
    AND code_label.code = counted.county;
