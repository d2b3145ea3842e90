-- target: figure (temporary): every count of children and families, before small ones are withheld
-- grain: one row per unit, month, group of combinations and, for characteristics, value
-- outputs: children_served, children_by_characteristic
-- sources: combination_count, combination_group, served_child, month; person, participation (temporary, of their population)
-- `output` is the table that shows a figure, and whose use case has to name all of which the figure is made.
-- `published` is false for counts that are in no table but follow from those that are.
CREATE TEMP TABLE figure (
    figure_id bigint GENERATED ALWAYS AS IDENTITY,
    output text NOT NULL,
    unit text NOT NULL,
    month date,
    grouping text NOT NULL,
    programs text NOT NULL,
    characteristic text,
    value text,
    n bigint NOT NULL,
    published boolean NOT NULL,
    withheld boolean NOT NULL DEFAULT FALSE
) ON COMMIT DROP;

INSERT INTO figure (output, unit, month, grouping, programs, n, published)
SELECT
    'children_served' AS output,
    counted.unit,
    counted.month,
    counted.grouping,
    counted.programs,
    SUM(counted.n) AS n,
    counted.grouping <> 'not_program' AS published
FROM (
    SELECT
        combination_count.unit,
        combination_count.month,
        combination_group.grouping,
        combination_group.programs,
        combination_count.n
    FROM combination_count
    INNER JOIN combination_group USING (unit, combination)
    UNION ALL
    -- Programs and the total have a row even when they served nobody.
    SELECT
        unit.name AS unit,
        month.month,
        'program' AS grouping,
        program.program AS programs,
        0 AS n
    FROM month
    CROSS JOIN (VALUES ('children'), ('families')) AS unit (name)
    CROSS JOIN (SELECT DISTINCT participation.program FROM participation) AS program
    UNION ALL
    SELECT
        unit.name AS unit,
        month.month,
        'total' AS grouping,
        'any program' AS programs,
        0 AS n
    FROM month
    CROSS JOIN (VALUES ('children'), ('families')) AS unit (name)
) AS counted
GROUP BY
    counted.unit,
    counted.month,
    counted.grouping,
    counted.programs
ORDER BY
    counted.month,
    counted.unit,
    counted.grouping,
    counted.programs;

INSERT INTO figure (output, unit, month, grouping, programs, characteristic, value, n, published)
WITH described AS (
    SELECT
        served_child.month,
        served_child.combination,
        attribute.characteristic,
        attribute.value,
        COUNT(*) AS n
    FROM served_child
    INNER JOIN person ON person.person_id = served_child.person_id
    CROSS JOIN LATERAL (
        VALUES
        ('age_group', served_child.age_group),
        ('race_ethnicity', COALESCE(person.race_ethnicity, 'unknown')),
        ('language', COALESCE(person.language, 'unknown')),
        ('county', COALESCE(person.county_fips, 'unknown'))
    ) AS attribute (characteristic, value)
    GROUP BY
        served_child.month,
        served_child.combination,
        attribute.characteristic,
        attribute.value
),

value AS (
    SELECT DISTINCT
        described.month,
        described.characteristic,
        described.value
    FROM described
)

SELECT
    'children_by_characteristic' AS output,
    'children' AS unit,
    value.month,
    combination_group.grouping,
    combination_group.programs,
    value.characteristic,
    value.value,
    SUM(COALESCE(described.n, 0)) AS n,
    combination_group.grouping IN ('program', 'total') AS published
FROM value
INNER JOIN combination_count
    ON combination_count.month = value.month
    AND combination_count.unit = 'children'
INNER JOIN combination_group
    ON combination_group.unit = combination_count.unit
    AND combination_group.combination = combination_count.combination
-- A combination that occurs in the month may have no child of this value: nobody outside knows that.
LEFT JOIN described
    ON described.month = value.month
    AND described.combination = combination_count.combination
    AND described.characteristic = value.characteristic
    AND described.value = value.value
GROUP BY
    value.month,
    combination_group.grouping,
    combination_group.programs,
    value.characteristic,
    value.value
ORDER BY
    value.month,
    value.characteristic,
    combination_group.grouping,
    combination_group.programs,
    value.value;
