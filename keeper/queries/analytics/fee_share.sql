-- What the network took: by kind of batch and asset, with the share of all fees, and of the amount where the asset is the coin
-- that fees are paid in. Sums are exact; shares are for reading. A void or a cancel pays nobody and costs all the same.
SELECT
    b.kind,
    coalesce(a.symbol, '-') AS asset,
    count(*) AS batches,
    sum(CASE WHEN b.kind IN ('orders', 'requests') THEN b.payouts ELSE 0 END) AS payouts,
    sum(b.gas_used) AS gas,
    CAST(sum(CAST(b.fee AS BIGNUM)) AS VARCHAR) AS fee_wei,
    count(*) FILTER (WHERE b.fee IS NULL) AS cost_unknown,
    round(100 * CAST(sum(CAST(b.fee AS BIGNUM)) AS DOUBLE)
        / CAST(sum(sum(CAST(b.fee AS BIGNUM))) OVER () AS DOUBLE), 2) AS percent_of_fees,
    CASE WHEN b.asset = '0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee' THEN
        round(100 * CAST(sum(CAST(b.fee AS BIGNUM)) AS DOUBLE) / CAST(sum(CAST(b.total AS BIGNUM)) AS DOUBLE), 4)
    END AS percent_of_amount
FROM batches b
LEFT JOIN assets a ON a.asset = b.asset
WHERE b.state = 'final'
GROUP BY b.kind, b.asset, a.symbol
ORDER BY b.kind, asset;
