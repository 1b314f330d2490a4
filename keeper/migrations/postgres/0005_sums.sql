-- The rules of withdrawals, transitions and postings, held against all rows of a statement at once: asked row by row
-- they take longer than the rows themselves. Plans that suit a small table would be kept when it has grown, so only
-- those that suit any are allowed.
DROP TRIGGER withdrawals_posted ON withdrawals;
DROP FUNCTION withdrawal_moves_with_its_posting();
CREATE FUNCTION withdrawals_move_with_their_postings() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM now_there n WHERE n.state IN ('paid', 'claimable', 'rejected', 'cancelled') AND NOT EXISTS (
            SELECT 1 FROM postings p WHERE p.withdrawal = n.row_id AND p.to_state = n.state)) THEN
        RAISE EXCEPTION 'a withdrawal ends only with its posting';
    END IF;
    IF EXISTS (
        SELECT 1 FROM there_before b WHERE b.state = 'received' AND NOT EXISTS (
            SELECT 1 FROM postings p WHERE p.withdrawal = b.row_id AND p.to_state = 'received')) THEN
        RAISE EXCEPTION 'a withdrawal moves on only with the posting that set its money aside';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawals_posted AFTER UPDATE ON withdrawals
    REFERENCING OLD TABLE AS there_before NEW TABLE AS now_there
    FOR EACH STATEMENT EXECUTE FUNCTION withdrawals_move_with_their_postings();

-- In the place of two foreign keys. Withdrawals are never deleted, so it is enough to look when a row comes.
CREATE FUNCTION names_a_withdrawal() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM added a WHERE a.withdrawal IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM withdrawals w WHERE w.row_id = a.withdrawal)) THEN
        RAISE EXCEPTION '% names a withdrawal that is not there', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
ALTER TABLE transitions DROP CONSTRAINT transitions_withdrawal_fkey;
CREATE TRIGGER transitions_withdrawal AFTER INSERT ON transitions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION names_a_withdrawal();
ALTER TABLE postings DROP CONSTRAINT postings_withdrawal_fkey;
CREATE TRIGGER postings_withdrawal AFTER INSERT ON postings
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION names_a_withdrawal();

-- Orders have no number of a request: their index need not hold them.
ALTER TABLE withdrawals DROP CONSTRAINT withdrawals_request_id_key;
CREATE UNIQUE INDEX withdrawals_request ON withdrawals (request_id) WHERE request_id IS NOT NULL;

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
