-- target: served_child (temporary)
-- grain: one row per month and child served in it
-- sources: integrated.person, integrated.participation, month, parameter
-- A child counts when it is younger than the age limit on the last day of the month and took part on any day of it.
-- With the month of birth alone, the age on a month's last day is exact in completed months: the birthday has been by then.
CREATE TEMP TABLE served_child ON COMMIT DROP AS
WITH served AS (
    SELECT DISTINCT
        month.month,
        spell.person_id,
        spell.program
    FROM month
    INNER JOIN integrated.participation AS spell
        ON spell.entry_date <= month.last_day
        AND (spell.exit_date >= month.month OR spell.exit_date IS NULL)
),

aged AS (
    SELECT
        served.month,
        served.person_id,
        served.program,
        12 * (EXTRACT(YEAR FROM served.month) - EXTRACT(YEAR FROM person.birth_month))
        + EXTRACT(MONTH FROM served.month) - EXTRACT(MONTH FROM person.birth_month) AS age_months,
        person.race_ethnicity,
        person.language,
        person.county_fips
    FROM served
    INNER JOIN integrated.person ON person.person_id = served.person_id
)

SELECT
    aged.month,
    aged.person_id,
    ARRAY_AGG(aged.program ORDER BY aged.program) AS combination,
    FLOOR(aged.age_months / 12)::integer::text AS age_group,
    COALESCE(aged.race_ethnicity, 'unknown') AS race_ethnicity,
    COALESCE(aged.language, 'unknown') AS language,
    COALESCE(aged.county_fips, 'unknown') AS county
FROM aged
CROSS JOIN parameter
WHERE aged.age_months >= 0
    AND aged.age_months < parameter.age_limit_months
GROUP BY
    aged.month,
    aged.person_id,
    aged.age_months,
    aged.race_ethnicity,
    aged.language,
    aged.county_fips;

ANALYZE served_child;
