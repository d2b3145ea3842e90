-- Question 2: who are the children that any program serves, and where do they live?
-- Grain: one row per characteristic and value, newest month. Sources: mart.children_by_characteristic.
SELECT
    to_char(month, 'YYYY-MM') AS month,
    characteristic,
    label,
    coalesce(children::text, 'withheld') AS children
FROM mart.children_by_characteristic
WHERE
    program = 'any program'
    AND month = (SELECT max(month) FROM mart.children_by_characteristic)
ORDER BY
    array_position(ARRAY['age_group', 'race_ethnicity', 'language', 'county'], characteristic),
    children_by_characteristic.children DESC NULLS LAST,
    label;
