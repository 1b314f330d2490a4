-- Who may use the API. The secret is not here, only its hash.
CREATE TABLE api_keys (
    -- The first part of the key: it names the row and is no secret.
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    -- keccak256 of the secret part, which has 256 random bits.
    hash       TEXT NOT NULL,
    -- Separated by spaces.
    scopes     TEXT NOT NULL,
    -- Requests per minute; 0: no limit.
    per_minute BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Null: never. A key that was rotated or revoked has it too.
    expires_at BIGINT
);
