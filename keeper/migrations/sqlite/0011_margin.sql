-- How far the events of a margin pool were followed, in final blocks, and what the last check of it said, as JSON.
CREATE TABLE margin_pools (
    pool    TEXT PRIMARY KEY,
    cursor  BIGINT NOT NULL,
    figures TEXT,
    at      BIGINT
);

-- The books that the events named: an account and, in unix seconds, an expiry. `open` is 0 once it holds no option.
CREATE TABLE margin_books (
    pool    TEXT NOT NULL REFERENCES margin_pools (pool),
    account TEXT NOT NULL,
    expiry  BIGINT NOT NULL,
    open    BIGINT NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (pool, account, expiry)
);

-- What the margin account signed: durable before it is sent. A replacement is another row with the same nonce.
CREATE TABLE margin_transactions (
    row_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    sender       TEXT NOT NULL,
    nonce        BIGINT NOT NULL,
    pool         TEXT NOT NULL,
    -- What it is for. No duty is signed under a second nonce while it is open under a first.
    duty         TEXT NOT NULL,
    calldata     BLOB NOT NULL,
    gas_limit    BIGINT NOT NULL,
    max_fee      BIGINT NOT NULL,
    priority_fee BIGINT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    raw          BLOB NOT NULL,
    -- done and failed: in a final block, and what it said; dead: another transaction has its nonce.
    state        TEXT NOT NULL CHECK (state IN ('signed', 'sent', 'done', 'failed', 'dead')),
    signed_at    BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX margin_transactions_open ON margin_transactions (sender, nonce) WHERE state IN ('signed', 'sent');
