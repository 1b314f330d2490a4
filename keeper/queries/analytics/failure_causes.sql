-- Why withdrawals were rejected, cancelled or turned into claims, and why batches were given up or sent again (`batch`), by day;
-- docs/api.md says what a code means. A batch's amount is told by what became of its withdrawals.
SELECT
    t.day,
    CASE WHEN t.batch IS NULL THEN t.to_state ELSE 'batch' END AS what,
    coalesce(split_part(t.reason, ':', 1), 'none') AS code,
    a.symbol AS asset,
    count(*) AS count,
    CAST(sum(CAST(w.amount AS BIGNUM)) AS VARCHAR) AS units
FROM transitions t
LEFT JOIN withdrawals w ON w.withdrawal = t.withdrawal
LEFT JOIN assets a ON a.asset = w.asset
WHERE (t.batch IS NULL AND t.to_state IN ('rejected', 'cancelled', 'claimable'))
    OR (t.batch IS NOT NULL AND t.to_state IN ('dissolved', 'funded', 'broadcast') AND t.reason IS NOT NULL)
GROUP BY ALL
ORDER BY t.day, count DESC, what, code, asset;
