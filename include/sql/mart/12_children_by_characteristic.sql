-- target: mart.children_by_characteristic
-- grain: one row per month, program (or any) and value of a characteristic
-- sources: figure, code_label
DELETE FROM mart.children_by_characteristic;

INSERT INTO mart.children_by_characteristic (
    month,
    program,
    characteristic,
    value,
    label,
    children,
    withheld
)
SELECT
    figure.month,
    figure.programs AS program,
    figure.characteristic,
    figure.value,
    CASE
        WHEN figure.value = 'unknown' THEN 'Unknown'
        WHEN figure.characteristic <> 'age_group' THEN COALESCE(code_label.label, figure.value)
        WHEN figure.value = '0' THEN 'Under 1 year'
        WHEN figure.value = '1' THEN '1 year'
        ELSE figure.value || ' years'
    END AS label,
    CASE WHEN NOT figure.withheld THEN figure.n END AS children,
    figure.withheld
FROM figure
LEFT JOIN code_label
    ON code_label.characteristic = figure.characteristic
    AND code_label.code = figure.value
WHERE figure.output = 'children_by_characteristic'
    AND figure.published;
