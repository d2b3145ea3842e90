-- target: month (temporary)
-- grain: one row per month that is published
-- sources: ledger.delivery, ledger.load, counted_feed
-- Months covered: those for which at least one delivery that counts has been loaded; mart.month_coverage tells which feeds are missing.
CREATE TEMP TABLE month ON COMMIT DROP AS
SELECT DISTINCT
    DATE_TRUNC('month', COALESCE(delivery.period, delivery.as_of))::date AS month,
    (DATE_TRUNC('month', COALESCE(delivery.period, delivery.as_of)) + INTERVAL '1 month - 1 day')::date AS last_day
FROM ledger.delivery
INNER JOIN ledger.load USING (delivery_id)
WHERE delivery.feed IN (SELECT counted_feed.feed FROM counted_feed WHERE counted_feed.counted);
