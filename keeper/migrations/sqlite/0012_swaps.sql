-- What accounts beside the lanes signed: the margin account, and the one that swaps.
ALTER TABLE margin_transactions RENAME TO duties;
ALTER TABLE duties RENAME COLUMN pool TO target;

-- Swaps of the vault's float: durable, with all that is sent, before anything is signed.
CREATE TABLE swaps (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    sell       TEXT NOT NULL,
    buy        TEXT NOT NULL,
    -- Units of sell that may be sold; units of buy that the pools would pay, and that must come at least.
    amount     TEXT NOT NULL,
    quoted     TEXT NOT NULL,
    least      TEXT NOT NULL,
    -- Each route with its share, as JSON.
    routes     TEXT NOT NULL,
    calldata   BLOB NOT NULL,
    -- Unix seconds: the last in which the vault takes it.
    deadline   BIGINT NOT NULL,
    -- 1: it is one slice of what is needed, the next comes after a time.
    slice      BIGINT NOT NULL CHECK (slice IN (0, 1)),
    -- done and failed: as a final block says.
    state      TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed')),
    reason     TEXT,
    spent      TEXT,
    received   TEXT,
    tx         TEXT,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX swaps_open ON swaps (row_id) WHERE state = 'open';

-- Why an asset that is owed cannot be bought now. A code of the catalogue, and what was found.
CREATE TABLE refill_troubles (
    asset  TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    at     BIGINT NOT NULL
);
