-- target: mart.children_served
-- grain: one row per month and program, combination of programs, or any program
-- sources: figure
DELETE FROM mart.children_served;

INSERT INTO mart.children_served (
    month,
    grouping,
    programs,
    children,
    families,
    children_withheld,
    families_withheld
)
SELECT
    figure.month,
    figure.grouping,
    figure.programs,
    -- Withheld counts are null. A combination that only families have was had by no single child: zero.
    CASE
        WHEN NOT COALESCE(BOOL_OR(figure.withheld) FILTER (WHERE figure.unit = 'children'), FALSE)
            THEN COALESCE(SUM(figure.n) FILTER (WHERE figure.unit = 'children'), 0)
    END AS children,
    CASE
        WHEN NOT COALESCE(BOOL_OR(figure.withheld) FILTER (WHERE figure.unit = 'families'), FALSE)
            THEN COALESCE(SUM(figure.n) FILTER (WHERE figure.unit = 'families'), 0)
    END AS families,
    COALESCE(BOOL_OR(figure.withheld) FILTER (WHERE figure.unit = 'children'), FALSE) AS children_withheld,
    COALESCE(BOOL_OR(figure.withheld) FILTER (WHERE figure.unit = 'families'), FALSE) AS families_withheld
FROM figure
WHERE figure.output = 'children_served'
    AND figure.published
GROUP BY
    figure.month,
    figure.grouping,
    figure.programs;
