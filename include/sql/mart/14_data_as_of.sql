-- target: mart.data_as_of, mart.output_feed, mart.publication
-- grain: one row per delivery that went into any table; one row per table and feed; one row
-- sources: ledger.delivery, ledger.load, ledger.account, counted_feed, figure, parameter
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
CROSS JOIN parameter
WHERE delivery.feed IN (SELECT counted_feed.feed FROM counted_feed WHERE counted_feed.counted);

DELETE FROM mart.output_feed;

INSERT INTO mart.output_feed (output, use_case, feed, counted, clause, without)
SELECT
    counted_feed.output,
    counted_feed.use_case,
    counted_feed.feed,
    counted_feed.counted,
    counted_feed.clause,
    counted_feed.without
FROM counted_feed;

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
