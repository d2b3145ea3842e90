-- target: combination_count, combination_group (temporary)
-- grain: one row per month, unit (children, families) and exact combination of programs; one row per unit, combination and
--   group
-- outputs: children_served, children_by_characteristic
-- sources: served_child; family, participation (temporary, of these outputs' population)
CREATE TEMP TABLE combination_count ON COMMIT DROP AS
WITH served_family AS (
    SELECT
        served_child.month,
        family.family_id,
        -- What the children of the family take part in, together.
        ARRAY_AGG(DISTINCT program.name ORDER BY program.name) AS combination
    FROM served_child
    INNER JOIN family ON family.person_id = served_child.person_id
    CROSS JOIN LATERAL UNNEST(served_child.combination) AS program (name)
    GROUP BY
        served_child.month,
        family.family_id
)

SELECT
    served_child.month,
    'children' AS unit,
    served_child.combination,
    COUNT(*) AS n
FROM served_child
GROUP BY
    served_child.month,
    served_child.combination
UNION ALL
SELECT
    served_family.month,
    'families' AS unit,
    served_family.combination,
    COUNT(*) AS n
FROM served_family
GROUP BY
    served_family.month,
    served_family.combination;

-- Each combination is a row of its own, and part of its programs' totals, of the rest beside the other programs
-- (never published, but anyone can subtract a program from any program), and of any program.
CREATE TEMP TABLE combination_group ON COMMIT DROP AS
WITH combination AS (
    SELECT DISTINCT
        combination_count.unit,
        combination_count.combination
    FROM combination_count
),

program AS (
    SELECT DISTINCT participation.program
    FROM participation
)

SELECT
    combination.unit,
    combination.combination,
    'combination' AS grouping,
    ARRAY_TO_STRING(combination.combination, ' + ') AS programs
FROM combination
UNION ALL
SELECT
    combination.unit,
    combination.combination,
    CASE WHEN program.program = ANY(combination.combination) THEN 'program' ELSE 'not_program' END AS grouping,
    program.program AS programs
FROM combination
CROSS JOIN program
UNION ALL
SELECT
    combination.unit,
    combination.combination,
    'total' AS grouping,
    'any program' AS programs
FROM combination;
