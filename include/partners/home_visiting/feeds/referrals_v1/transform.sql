-- Home visiting referrals to the common schema.

-- target: referral
-- grain: one row per referral
-- sources: source, codes_referred_to, codes_referral_reason
SELECT
    source.line_no,
    source.referral_id AS source_referral_id,
    source.child_id AS source_person_id,
    source.family_id AS source_family_id,
    'home_visiting' AS referring_program,
    codes_referred_to.referred_to_program,
    source.referral_date,
    codes_referral_reason.referral_reason
FROM source
LEFT JOIN codes_referred_to
    ON source.referred_to = codes_referred_to.code
LEFT JOIN codes_referral_reason
    ON source.referral_reason = codes_referral_reason.code;
