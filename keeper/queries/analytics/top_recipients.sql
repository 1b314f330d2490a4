-- Who got most of each asset, claims that are not pulled yet among it: the first twenty.
SELECT
    coalesce(a.symbol, w.asset) AS asset,
    w.recipient,
    count(*) AS payouts,
    count(*) FILTER (WHERE w.outcome = 'claimable') AS claims,
    CAST(sum(CAST(w.amount AS BIGNUM)) AS VARCHAR) AS units,
    coins(CAST(sum(CAST(w.amount AS BIGNUM)) AS VARCHAR), any_value(a.decimals)) AS coins,
    max(w.at) AS last
FROM payouts w
LEFT JOIN assets a ON a.asset = w.asset
GROUP BY w.asset, a.symbol, w.recipient
QUALIFY row_number() OVER (PARTITION BY w.asset ORDER BY sum(CAST(w.amount AS BIGNUM)) DESC, w.recipient) <= 20
ORDER BY asset, sum(CAST(w.amount AS BIGNUM)) DESC, w.recipient;
