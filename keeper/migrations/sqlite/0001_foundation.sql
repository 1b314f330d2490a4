-- Amounts are 64 hexadecimal digits: exact, and sorted as text in the order of the numbers.
-- Addresses, hashes and heads are lower-case hexadecimal with 0x. Times are unix milliseconds.
-- The PostgreSQL schema beside this one differs in types and trigger syntax only.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- One payment owed. Its id and reference derive from the caller's idempotency key.
CREATE TABLE withdrawals (
    row_id             INTEGER PRIMARY KEY AUTOINCREMENT,
    id                 TEXT NOT NULL UNIQUE,
    reference          TEXT NOT NULL UNIQUE,
    door               TEXT NOT NULL CHECK (door IN ('order', 'request')),
    idempotency_key    TEXT NOT NULL,
    asset              TEXT NOT NULL,
    recipient          TEXT NOT NULL,
    amount             TEXT NOT NULL CHECK (length(amount) = 64),
    state              TEXT NOT NULL CHECK (state IN
        ('received', 'held', 'ready', 'batched', 'paid', 'claimable', 'rejected', 'cancelled')),
    reason             TEXT,
    batch              BIGINT REFERENCES batches (row_id),
    request_id         BIGINT UNIQUE,
    request_owner      TEXT,
    request_created_at BIGINT,
    trace_id           TEXT NOT NULL,
    received_at        BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL
);
CREATE INDEX withdrawals_waiting ON withdrawals (state, row_id) WHERE state IN ('received', 'held', 'ready');
CREATE INDEX withdrawals_batch ON withdrawals (batch, row_id) WHERE batch IS NOT NULL;

-- Withdrawals of one asset that one transaction settles. lane to gas_limit are fixed when it is funded.
CREATE TABLE batches (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('orders', 'requests', 'void')),
    state      TEXT NOT NULL CHECK (state IN
        ('planned', 'priced', 'funded', 'signed', 'broadcast', 'mined', 'final', 'dissolved')),
    asset      TEXT NOT NULL,
    count      BIGINT NOT NULL,
    total      TEXT NOT NULL CHECK (length(total) = 64),
    lane       TEXT,
    first      BIGINT,
    head_after TEXT,
    calldata   BLOB,
    gas_limit  BIGINT,
    reason     TEXT,
    retry_at   BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    CHECK (state IN ('planned', 'priced', 'dissolved') OR calldata IS NOT NULL)
);
CREATE INDEX batches_open ON batches (state, row_id) WHERE state NOT IN ('final', 'dissolved');
CREATE UNIQUE INDEX batches_number ON batches (lane, first) WHERE kind = 'orders' AND state <> 'dissolved';

-- Signed transactions. A batch may have several: same content, other fees or another nonce.
CREATE TABLE attempts (
    row_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    batch        BIGINT NOT NULL REFERENCES batches (row_id),
    lane         TEXT NOT NULL,
    nonce        BIGINT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    raw          BLOB NOT NULL,
    max_fee      BIGINT NOT NULL,
    priority_fee BIGINT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('signed', 'sent', 'dead', 'mined')),
    signed_at    BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL DEFAULT 0,
    block        BIGINT,
    gas_used     BIGINT
);
CREATE INDEX attempts_batch ON attempts (batch);

-- A signing account: its next nonce, and the position that its ledger slot reaches once all funded batches settle.
CREATE TABLE lanes (
    address TEXT PRIMARY KEY,
    nonce   BIGINT NOT NULL,
    next    BIGINT NOT NULL,
    head    TEXT NOT NULL,
    -- Set while a void that was planned since then must become final before new numbers are given out.
    fencing_since BIGINT
);

-- Payouts that the chain shows and no batch here made: the books went back in time. A client that repeats its
-- idempotency key is recognised by the reference; until then `withdrawal` is null.
CREATE TABLE found_payouts (
    lane       TEXT NOT NULL,
    number     BIGINT NOT NULL,
    reference  TEXT NOT NULL,
    asset      TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    amount     TEXT NOT NULL CHECK (length(amount) = 64),
    outcome    TEXT NOT NULL CHECK (outcome IN ('paid', 'claimable')),
    tx         TEXT NOT NULL,
    block      BIGINT NOT NULL,
    withdrawal BIGINT REFERENCES withdrawals (row_id),
    PRIMARY KEY (lane, number)
);
CREATE INDEX found_reference ON found_payouts (reference) WHERE withdrawal IS NULL;
CREATE INDEX found_withdrawal ON found_payouts (withdrawal) WHERE withdrawal IS NOT NULL;

-- How far the chain's final blocks are in the books.
CREATE TABLE scan_cursor (
    name  TEXT PRIMARY KEY,
    block BIGINT NOT NULL,
    hash  TEXT NOT NULL
);

-- Counts starts and first sends. A copy in a file beside the database tells when the database went back in time.
CREATE TABLE generation (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 0);

-- What each comparison of chain and books found.
CREATE TABLE reconciliations (
    row_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    block       BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    ok          BIGINT NOT NULL,
    differences TEXT NOT NULL
);

-- One row per committed change. hash = keccak256(prev hash, seq, at, actor, action, detail, digest), where the
-- digest covers the change's transitions and postings.
CREATE TABLE audit (
    seq    BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    digest TEXT NOT NULL,
    hash   TEXT NOT NULL
);
CREATE TABLE audit_head (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0x0000000000000000000000000000000000000000000000000000000000000000');

-- Every move of a withdrawal or a batch from state to state.
CREATE TABLE transitions (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    audit      BIGINT NOT NULL,
    withdrawal BIGINT REFERENCES withdrawals (row_id),
    batch      BIGINT REFERENCES batches (row_id),
    from_state TEXT,
    to_state   TEXT NOT NULL,
    reason     TEXT,
    at         BIGINT NOT NULL,
    CHECK ((withdrawal IS NULL) <> (batch IS NULL))
);
CREATE INDEX transitions_withdrawal ON transitions (withdrawal) WHERE withdrawal IS NOT NULL;
CREATE INDEX transitions_batch ON transitions (batch) WHERE batch IS NOT NULL;
CREATE INDEX transitions_audit ON transitions (audit);

-- Double-entry: each row takes an amount from its credit account and gives it to its debit account.
CREATE TABLE postings (
    row_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    audit      BIGINT NOT NULL,
    withdrawal BIGINT REFERENCES withdrawals (row_id),
    to_state   TEXT,
    asset      TEXT NOT NULL,
    debit      TEXT NOT NULL,
    credit     TEXT NOT NULL,
    amount     TEXT NOT NULL CHECK (length(amount) = 64),
    at         BIGINT NOT NULL,
    CHECK (debit <> credit)
);
CREATE INDEX postings_withdrawal ON postings (withdrawal, to_state) WHERE withdrawal IS NOT NULL;
CREATE INDEX postings_audit ON postings (audit);

-- A transition that moves a claim on money cannot be stored without its posting.
CREATE TRIGGER withdrawals_ended_posted BEFORE UPDATE OF state ON withdrawals
WHEN NEW.state IN ('paid', 'claimable', 'rejected', 'cancelled') AND NOT EXISTS (
    SELECT 1 FROM postings p WHERE p.withdrawal = NEW.row_id AND p.to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'a withdrawal ends only with its posting'); END;

CREATE TRIGGER withdrawals_received_posted BEFORE UPDATE OF state ON withdrawals
WHEN OLD.state = 'received' AND NOT EXISTS (
    SELECT 1 FROM postings p WHERE p.withdrawal = NEW.row_id AND p.to_state = 'received')
BEGIN SELECT RAISE(ABORT, 'a withdrawal moves on only with the posting that set its money aside'); END;

-- History is appended, never changed.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER transitions_no_update BEFORE UPDATE ON transitions BEGIN SELECT RAISE(ABORT, 'transitions is append-only'); END;
CREATE TRIGGER transitions_no_delete BEFORE DELETE ON transitions BEGIN SELECT RAISE(ABORT, 'transitions is append-only'); END;
CREATE TRIGGER postings_no_update BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER postings_no_delete BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER withdrawals_no_delete BEFORE DELETE ON withdrawals BEGIN SELECT RAISE(ABORT, 'a withdrawal is never deleted'); END;
