-- Several keepers on one store. Text and tables are the same for SQLite.

-- Each keeper that ever started here, by the name in its generation file.
CREATE TABLE keepers (
    id         TEXT PRIMARY KEY,
    -- Counts its starts and sends. A copy in its own file tells when the database went back in time.
    generation BIGINT NOT NULL,
    -- Counts its signs of life.
    beat       BIGINT NOT NULL,
    -- When it was last alive, by the database's clock; 0 once it has stopped.
    seen_at    BIGINT NOT NULL,
    -- The lanes that it has keys for, separated by spaces.
    lanes      TEXT NOT NULL,
    -- 1 from the end of its start on: what came before is known, or fenced off.
    running    BIGINT NOT NULL,
    -- 1 when a fence covers whatever it may have sent: nobody waits for its word any more.
    retired    BIGINT NOT NULL
);

-- Who does what only one keeper may do at a time: a lane's work (named by its address) or the line's ('line').
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     TEXT,
    -- Grows with each holder. A change that names an older one is refused.
    token      BIGINT NOT NULL,
    -- By the database's clock.
    expires_at BIGINT NOT NULL
);
INSERT INTO leases (name, holder, token, expires_at) VALUES ('line', NULL, 0, 0);
INSERT INTO leases (name, holder, token, expires_at) SELECT address, NULL, 0, 0 FROM lanes;

DROP TABLE generation;
