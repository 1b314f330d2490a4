-- How long withdrawals took from receipt until final, in milliseconds, by the day on which they became final: the smallest time
-- that so many in a hundred did not exceed.
SELECT
    w.day,
    coalesce(a.symbol, w.asset) AS asset,
    count(*) AS payouts,
    quantile_disc(epoch_ms(w.at) - epoch_ms(w.received_at), 0.5) AS p50,
    quantile_disc(epoch_ms(w.at) - epoch_ms(w.received_at), 0.9) AS p90,
    quantile_disc(epoch_ms(w.at) - epoch_ms(w.received_at), 0.99) AS p99,
    max(epoch_ms(w.at) - epoch_ms(w.received_at)) AS longest
FROM payouts w
LEFT JOIN assets a ON a.asset = w.asset
GROUP BY ALL
ORDER BY w.day, asset;
