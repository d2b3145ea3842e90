-- Question 3: of the referrals that home visitors made, how many became a service, and how soon?
-- Grain: one row per receiving program over all counties, then its counties. Sources: mart.referral_outcomes.
SELECT
    program,
    county_label AS county,
    coalesce(referrals::text, 'withheld') AS referrals,
    coalesce(became_service::text, 'withheld') AS became_service,
    coalesce(already_served::text, 'withheld') AS already_served,
    coalesce(not_observable::text, 'withheld') AS not_observable,
    coalesce(round(100 * share_became_service)::text || ' %', '') AS share,
    coalesce(round(median_days_to_service)::text, '') AS median_days
FROM mart.referral_outcomes
ORDER BY
    program <> 'any program',
    program,
    county <> 'any county',
    referral_outcomes.referrals DESC NULLS LAST,
    county_label;
