-- What a store has of what the chain knows too, a line each: the payouts of orders by lane and number, whether a batch here
-- made them or they were found on chain, and the requests. Two stores of one vault at one block give the same lines. Runs on
-- SQLite and PostgreSQL. `spillway recover --compare` adds lanes and balances, whose sums have 256 bits.
SELECT 'payout ' || p.lane || '/' || CAST(p.number AS TEXT) || ' ' || p.reference || ' ' || p.asset || ' ' || p.recipient
    || ' ' || p.amount || ' ' || p.outcome || ' ' || p.tx AS line
FROM (
    SELECT b.lane, b.first + row_number() OVER (PARTITION BY w.batch ORDER BY w.row_id) - 1 AS number,
        w.reference, w.asset, w.recipient, w.amount, w.state AS outcome, a.hash AS tx
    FROM withdrawals w
    JOIN batches b ON b.row_id = w.batch AND b.kind = 'orders' AND b.state = 'final'
    JOIN attempts a ON a.batch = b.row_id AND a.state = 'mined'
    UNION ALL
    SELECT lane, number, reference, asset, recipient, amount, outcome, tx FROM found_payouts
) p
UNION ALL
SELECT 'request ' || CAST(request_id AS TEXT) || ' ' || request_owner || ' ' || CAST(request_created_at AS TEXT) || ' '
    || asset || ' ' || recipient || ' ' || amount || ' '
    || CASE WHEN state IN ('paid', 'claimable', 'cancelled') THEN state ELSE 'open' END
FROM withdrawals WHERE door = 'request'
