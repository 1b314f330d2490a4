-- The sums of all postings up to a row, so that a start need not add up the whole history. Only a shortcut: the postings
-- decide, and `spillway db check` adds them up again.
CREATE TABLE balances (
    asset   TEXT NOT NULL,
    account TEXT NOT NULL,
    debits  TEXT NOT NULL CHECK (length(debits) = 64),
    credits TEXT NOT NULL CHECK (length(credits) = 64),
    -- The last posting that is in them: the same in all rows.
    up_to   BIGINT NOT NULL,
    PRIMARY KEY (asset, account)
);
