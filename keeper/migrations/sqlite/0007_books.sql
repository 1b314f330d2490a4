-- History is appended, never changed. A REPLACE deletes without a trigger's hearing of it, so what would be replaced is
-- refused when it comes.
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER transitions_no_replace BEFORE INSERT ON transitions
WHEN EXISTS (SELECT 1 FROM transitions WHERE row_id = NEW.row_id)
BEGIN SELECT RAISE(ABORT, 'transitions is append-only'); END;
CREATE TRIGGER postings_no_replace BEFORE INSERT ON postings
WHEN EXISTS (SELECT 1 FROM postings WHERE row_id = NEW.row_id)
BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER withdrawals_no_replace BEFORE INSERT ON withdrawals
WHEN EXISTS (SELECT 1 FROM withdrawals WHERE row_id = NEW.row_id)
    OR EXISTS (SELECT 1 FROM withdrawals WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM withdrawals WHERE reference = NEW.reference)
BEGIN SELECT RAISE(IGNORE); END;

-- What was asked for stays what was asked for.
CREATE TRIGGER withdrawals_terms_stay BEFORE UPDATE OF
    row_id, id, reference, door, idempotency_key, asset, recipient, amount, request_id, request_owner,
    request_created_at, deadline, received_at ON withdrawals
BEGIN SELECT RAISE(ABORT, 'the terms of a withdrawal never change'); END;

-- What the comparison of intake, ledger and chain found, until a full comparison no longer does.
CREATE TABLE differences (
    row_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    found_at BIGINT NOT NULL,
    block    BIGINT NOT NULL,
    class    TEXT NOT NULL,
    subject  TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (class, subject)
);

-- Money of these assets left the vault and nothing says why: no new batch of theirs is funded.
CREATE TABLE asset_pauses (
    asset  TEXT PRIMARY KEY,
    since  BIGINT NOT NULL,
    reason TEXT NOT NULL
);
