-- What each account was debited and credited over all time. In the last column what is held (cash, cold), spent (gas) or lost is
-- positive, whose it is or was negative: for each asset it adds up to zero.
SELECT
    coalesce(a.symbol, p.asset) AS asset,
    p.account,
    CAST(sum(p.debit) AS VARCHAR) AS debits,
    CAST(sum(p.credit) AS VARCHAR) AS credits,
    CAST(sum(p.debit) - sum(p.credit) AS VARCHAR) AS balance
FROM (
    SELECT asset, debit AS account, CAST(amount AS BIGNUM) AS debit, CAST('0' AS BIGNUM) AS credit FROM postings
    UNION ALL
    SELECT asset, credit, CAST('0' AS BIGNUM), CAST(amount AS BIGNUM) FROM postings
) p
LEFT JOIN assets a ON a.asset = p.asset
GROUP BY p.asset, a.symbol, p.account
ORDER BY asset, p.account;
