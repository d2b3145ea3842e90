-- target: mart.data_as_of, mart.publication
-- grain: one row per delivery that went in; one row
-- sources: ledger.delivery, ledger.load, ledger.account, figure, parameter
DELETE FROM mart.data_as_of;

INSERT INTO mart.data_as_of (partner, feed, period, as_of, state, loaded_at, source_rows)
SELECT
    delivery.partner,
    delivery.feed,
    DATE_TRUNC('month', COALESCE(delivery.period, delivery.as_of))::date AS period,
    delivery.as_of,
    delivery.state,
    load.loaded_at,
    CASE WHEN account.source_rows = 0 OR account.source_rows >= parameter.minimum_cell THEN account.source_rows END
        AS source_rows
FROM ledger.delivery
INNER JOIN ledger.load USING (delivery_id)
LEFT JOIN ledger.account USING (delivery_id)
CROSS JOIN parameter;

DELETE FROM mart.publication;

INSERT INTO mart.publication (published_at, age_limit_months, minimum_cell, figures, withheld)
SELECT
    TRANSACTION_TIMESTAMP() AS published_at,
    parameter.age_limit_months,
    parameter.minimum_cell,
    COUNT(*) FILTER (WHERE figure.n > 0) AS figures,
    COUNT(*) FILTER (WHERE figure.withheld) AS withheld
FROM parameter
LEFT JOIN figure ON figure.published
GROUP BY
    parameter.age_limit_months,
    parameter.minimum_cell;
