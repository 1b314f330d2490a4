-- How far the transitions were turned into messages, by endpoint.
CREATE TABLE webhook_cursors (
    endpoint   TEXT PRIMARY KEY,
    transition BIGINT NOT NULL
);

-- A message to an endpoint: pending until it is heard, dead when it was tried too often.
CREATE TABLE webhook_deliveries (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint   TEXT NOT NULL,
    transition BIGINT NOT NULL REFERENCES transitions (row_id),
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    -- When it is sent next; once it is not pending any more, when that was.
    next_at    BIGINT NOT NULL,
    -- What the endpoint said last, when that was no yes.
    answer     TEXT NOT NULL DEFAULT '',
    UNIQUE (endpoint, transition)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, row_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (state, next_at) WHERE state <> 'pending';
