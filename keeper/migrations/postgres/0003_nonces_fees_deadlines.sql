-- A deadline of the caller's own, in unix milliseconds. Past it the order is released instead of paid.
ALTER TABLE withdrawals ADD COLUMN deadline BIGINT;
CREATE INDEX withdrawals_deadline ON withdrawals (deadline)
    WHERE deadline IS NOT NULL AND state IN ('received', 'held', 'ready', 'batched');

-- While set, the lane holds less than this (in wei, 64 hexadecimal digits) for gas, and gets no new batches.
ALTER TABLE lanes ADD COLUMN gas_needed TEXT CHECK (gas_needed IS NULL OR length(gas_needed) = 64);

CREATE INDEX attempts_nonce ON attempts (lane, nonce);

-- What a payout of an asset was last estimated to cost. Fees are in wei per gas.
CREATE TABLE fee_estimates (
    asset        TEXT PRIMARY KEY,
    gas          BIGINT NOT NULL,
    base_fee     BIGINT NOT NULL,
    max_fee      BIGINT NOT NULL,
    priority_fee BIGINT NOT NULL,
    policy       TEXT NOT NULL,
    at           BIGINT NOT NULL
);

-- A batch may be a cancel: it gives up a nonce of its lane by a transfer of nothing to itself.
ALTER TABLE batches DROP CONSTRAINT batches_kind_check;
ALTER TABLE batches ADD CONSTRAINT batches_kind_check CHECK (kind IN ('orders', 'requests', 'void', 'cancel'));
