-- target: month (temporary)
-- grain: one row per month that is published
-- sources: ledger.delivery, ledger.load
-- Months covered: those for which at least one delivery has been loaded; mart.month_coverage tells which feeds are missing.
CREATE TEMP TABLE month ON COMMIT DROP AS
SELECT DISTINCT
    DATE_TRUNC('month', COALESCE(delivery.period, delivery.as_of))::date AS month,
    (DATE_TRUNC('month', COALESCE(delivery.period, delivery.as_of)) + INTERVAL '1 month - 1 day')::date AS last_day
FROM ledger.delivery
INNER JOIN ledger.load USING (delivery_id);
