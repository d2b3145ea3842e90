-- target: figure (temporary), counts of referrals
-- grain: one row per receiving program, county and outcome that occurs, with totals of each
-- outputs: referral_outcomes
-- sources: referral (temporary, of this output's population)
-- `characteristic` is the outcome (or all referrals), `value` the county.
INSERT INTO figure (output, unit, grouping, programs, characteristic, value, n, published)
SELECT
    'referral_outcomes' AS output,
    'referrals' AS unit,
    CASE WHEN GROUPING(referral.referred_to_program) = 0 THEN 'program' ELSE 'total' END AS grouping,
    COALESCE(referral.referred_to_program, 'any program') AS programs,
    COALESCE(referral.outcome, 'referrals') AS characteristic,
    CASE
        WHEN GROUPING(COALESCE(referral.county_fips, 'unknown')) = 0 THEN COALESCE(referral.county_fips, 'unknown')
        ELSE 'any county'
    END AS value,
    COUNT(*) AS n,
    TRUE AS published
FROM referral
GROUP BY
    CUBE (referral.referred_to_program, COALESCE(referral.county_fips, 'unknown'), referral.outcome)
ORDER BY
    programs,
    value,
    characteristic;
