-- What left the vault in each hour (UTC), by asset and tier. Every posting that credits cash is in it: `instant`, `approved` and
-- `delayed` are orders, `request` what depositors asked for, `claim` what recipients pulled, `sweep` what went to cold, `swap` what
-- was sold, `lost` what was written off, and `other` payouts whose orders these books do not know.
SELECT
    date_trunc('hour', p.at) AS hour,
    coalesce(a.symbol, p.asset) AS asset,
    CASE
        WHEN w.door = 'request' THEN 'request'
        WHEN p.withdrawal IS NOT NULL THEN coalesce(w.tier, 'unknown')
        WHEN p.debit = 'claims' THEN 'claim'
        WHEN p.debit = 'cold' THEN 'sweep'
        WHEN p.debit = 'swaps' THEN 'swap'
        WHEN p.debit = 'lost' THEN 'lost'
        ELSE 'other'
    END AS tier,
    count(*) AS payments,
    CAST(sum(CAST(p.amount AS BIGNUM)) AS VARCHAR) AS units,
    coins(CAST(sum(CAST(p.amount AS BIGNUM)) AS VARCHAR), any_value(a.decimals)) AS coins
FROM postings p
LEFT JOIN assets a ON a.asset = p.asset
LEFT JOIN payouts w ON w.withdrawal = p.withdrawal
WHERE p.credit = 'cash'
GROUP BY ALL
ORDER BY hour, asset, tier;
