-- target: served_child (temporary)
-- outputs: children_served, children_by_characteristic
-- grain: one row per month and child served in it
-- sources: person, participation (temporary, of these outputs' population), month, parameter
-- A child counts when it is younger than the age limit on the last day of the month and took part on any day of it.
-- What else is known of the child belongs to one of the tables only, and is read where that is counted (04_figure.sql).
-- With the month of birth alone, the age on a month's last day is exact in completed months: the birthday has been by then.
CREATE TEMP TABLE served_child ON COMMIT DROP AS
SELECT
    month.month,
    person.person_id,
    ARRAY_AGG(DISTINCT spell.program ORDER BY spell.program) AS combination,
    FLOOR(age.months / 12)::integer::text AS age_group
FROM month
INNER JOIN participation AS spell
    ON spell.entry_date <= month.last_day
    AND (spell.exit_date >= month.month OR spell.exit_date IS NULL)
INNER JOIN person ON person.person_id = spell.person_id
CROSS JOIN LATERAL (
    SELECT
        12 * (EXTRACT(YEAR FROM month.month) - EXTRACT(YEAR FROM person.birth_month))
        + EXTRACT(MONTH FROM month.month) - EXTRACT(MONTH FROM person.birth_month) AS months
) AS age
CROSS JOIN parameter
WHERE age.months >= 0
    AND age.months < parameter.age_limit_months
GROUP BY
    month.month,
    person.person_id,
    age.months;

ANALYZE served_child;
