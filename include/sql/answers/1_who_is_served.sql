-- Question 1: how many children and families does each program, and each combination of programs, serve in a month?
-- Grain: one row per program or exact combination, newest month. Sources: mart.children_served.
SELECT
    to_char(month, 'YYYY-MM') AS month,
    grouping,
    programs,
    coalesce(children::text, 'withheld') AS children,
    coalesce(families::text, 'withheld') AS families
FROM mart.children_served
WHERE month = (SELECT max(month) FROM mart.children_served)
ORDER BY
    array_position(ARRAY['total', 'program', 'combination'], grouping),
    children_served.children DESC NULLS LAST,
    programs;
