-- What the oracle guard last thought of each asset, and what it remembers between judgements, both as JSON. `config` is the
-- hash of the configuration that it was judged by: under another, nothing is remembered.
CREATE TABLE oracle_opinions (
    asset   TEXT PRIMARY KEY,
    config  TEXT NOT NULL,
    opinion TEXT NOT NULL,
    memory  TEXT NOT NULL,
    at      BIGINT NOT NULL
);
