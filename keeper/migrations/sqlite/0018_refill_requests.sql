-- What cold is asked for: what the float lacks and no swap brings. Of an asset one request is open.
CREATE TABLE refill_requests (
    row_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    asset        TEXT NOT NULL,
    -- Units, 64 hexadecimal digits; what is missing now.
    amount       TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    ended_at     BIGINT
);
CREATE UNIQUE INDEX refill_requests_open ON refill_requests (asset) WHERE ended_at IS NULL;
