-- The tier in which a batch of orders is paid: by the keeper alone, with approvals, or after an announcement.
ALTER TABLE batches ADD COLUMN tier TEXT NOT NULL DEFAULT 'instant' CHECK (tier IN ('instant', 'approved', 'delayed'));

-- A batch may be an announcement: it says on chain that one order will be paid. The CHECK is changed as in migration 3.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, '''void'', ''cancel''', '''void'', ''cancel'', ''announce''')
WHERE type = 'table' AND name = 'batches';
PRAGMA writable_schema = RESET;

-- 1: the lane pays what approvers signed, and nothing else.
ALTER TABLE lanes ADD COLUMN reviewed BIGINT NOT NULL DEFAULT 0 CHECK (reviewed IN (0, 1));

-- The name of the API key that handed it in: that key does not approve it.
ALTER TABLE withdrawals ADD COLUMN submitter TEXT;
DROP TRIGGER withdrawals_terms_stay;
CREATE TRIGGER withdrawals_terms_stay BEFORE UPDATE OF
    row_id, id, reference, door, idempotency_key, asset, recipient, amount, request_id, request_owner,
    request_created_at, deadline, received_at, submitter ON withdrawals
BEGIN SELECT RAISE(ABORT, 'the terms of a withdrawal never change'); END;

-- A batch that was offered to the approvers, at one place of one lane. Numbers are given only when enough have signed.
CREATE TABLE reviews (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    batch      BIGINT NOT NULL REFERENCES batches (row_id),
    state      TEXT NOT NULL CHECK (state IN ('open', 'approved', 'expired', 'withdrawn')),
    lane       TEXT NOT NULL,
    first      BIGINT NOT NULL,
    head       TEXT NOT NULL,
    -- The contract that checks the signatures, and how many it asked for when the batch was offered.
    approvers  TEXT NOT NULL,
    threshold  BIGINT NOT NULL,
    -- Unix seconds, by the chain's clock; part of what is signed.
    deadline   BIGINT NOT NULL,
    -- What is signed (EIP-712).
    digest     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at  BIGINT
);
CREATE UNIQUE INDEX reviews_open_batch ON reviews (batch) WHERE state = 'open';
CREATE UNIQUE INDEX reviews_open_lane ON reviews (lane) WHERE state = 'open';
CREATE INDEX reviews_batch ON reviews (batch);

-- What approvers signed. 0: it was good when it came, and the vault refused it later.
CREATE TABLE approvals (
    review    BIGINT NOT NULL REFERENCES reviews (row_id),
    approver  TEXT NOT NULL,
    signature BLOB NOT NULL,
    valid     BIGINT NOT NULL DEFAULT 1 CHECK (valid IN (0, 1)),
    -- The name of the API key that brought it; null without keys.
    brought_by TEXT,
    at        BIGINT NOT NULL,
    PRIMARY KEY (review, approver)
);

-- Why a person refused a withdrawal, in that person's words.
CREATE TABLE rejections (
    withdrawal BIGINT PRIMARY KEY REFERENCES withdrawals (row_id),
    reason     TEXT NOT NULL,
    -- The name of the API key, or the address of the guardian who vetoed it.
    rejected_by TEXT,
    at         BIGINT NOT NULL
);

-- Orders that the chain holds announced, by final blocks.
CREATE TABLE announcements (
    -- What names it on chain.
    id           TEXT PRIMARY KEY,
    withdrawal   BIGINT NOT NULL REFERENCES withdrawals (row_id),
    lane         TEXT NOT NULL,
    -- Unix seconds.
    payable_from BIGINT NOT NULL,
    vetoed_by    TEXT,
    -- 1: the vault does not hold it any more; it is announced again.
    lapsed       BIGINT NOT NULL DEFAULT 0 CHECK (lapsed IN (0, 1))
);
CREATE INDEX announcements_withdrawal ON announcements (withdrawal);
