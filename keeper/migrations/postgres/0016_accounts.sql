-- A posting that is a swap's: what is set aside for it, and what became of that.
ALTER TABLE postings ADD COLUMN swap BIGINT REFERENCES swaps (row_id);
CREATE INDEX postings_swap ON postings (swap, to_state) WHERE swap IS NOT NULL;
-- What is at cold, without adding up the rest.
CREATE INDEX postings_cold ON postings (asset) WHERE debit = 'cold' OR credit = 'cold';

-- What transactions cost is booked from the next change on.
INSERT INTO meta (name, value) SELECT 'gas_booked_since', CAST(seq AS TEXT) FROM audit_head WHERE id = 1;

-- A withdrawal is received once and ends once.
DROP INDEX postings_withdrawal;
CREATE UNIQUE INDEX postings_withdrawal ON postings (withdrawal, to_state) WHERE withdrawal IS NOT NULL;

CREATE FUNCTION begins_otherwise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a withdrawal begins as received';
END $$;
CREATE TRIGGER withdrawals_as_received BEFORE INSERT ON withdrawals
    FOR EACH ROW WHEN (NEW.state <> 'received') EXECUTE FUNCTION begins_otherwise();

-- Its postings are of its amount and asset, between the accounts that its state says: more than that it is there. As in
-- migration 5, once for all rows of a statement, each row's withdrawal by its key.
DROP TRIGGER postings_withdrawal ON postings;
CREATE FUNCTION postings_of_withdrawals() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added p WHERE p.withdrawal IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM withdrawals w WHERE w.row_id = p.withdrawal
        AND w.amount = p.amount AND w.asset = p.asset AND p.to_state IN ('received', 'paid', 'claimable', 'rejected', 'cancelled')
        AND p.debit = CASE WHEN p.to_state = 'received' THEN
            CASE w.door WHEN 'order' THEN 'float' ELSE 'depositors' END
            ELSE CASE w.door WHEN 'order' THEN 'orders' ELSE 'requests' END END
        AND p.credit = CASE WHEN p.to_state = 'paid' THEN 'cash' WHEN p.to_state = 'claimable' THEN 'claims'
            WHEN p.to_state = 'received' THEN CASE w.door WHEN 'order' THEN 'orders' ELSE 'requests' END
            ELSE CASE w.door WHEN 'order' THEN 'float' ELSE 'depositors' END END)) THEN
        RAISE EXCEPTION 'a posting of a withdrawal moves its amount of its asset as its state says';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER postings_of_withdrawals AFTER INSERT ON postings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION postings_of_withdrawals();
ALTER TABLE postings ADD CONSTRAINT postings_accounts CHECK (
    debit IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'gas', 'purse', 'lost')
    AND credit IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'gas', 'purse', 'lost'));

-- A swap ends only with the postings that say what became of what it was to sell.
CREATE FUNCTION swap_ends_with_its_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'open' AND (NEW.state = 'done' OR EXISTS (
            SELECT 1 FROM postings p WHERE p.swap = NEW.row_id AND p.to_state = 'open'))
        AND NOT EXISTS (SELECT 1 FROM postings p WHERE p.swap = NEW.row_id AND p.to_state = NEW.state) THEN
        RAISE EXCEPTION 'a swap ends only with its posting';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER swaps_ended_posted BEFORE UPDATE OF state ON swaps
    FOR EACH ROW EXECUTE FUNCTION swap_ends_with_its_posting();

-- A payout that was found on chain is booked by the same change, and so is its withdrawal when it turns up.
CREATE FUNCTION found_payout_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.withdrawal IS NULL AND NOT EXISTS (
        SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1) AND p.withdrawal IS NULL
    AND p.asset = NEW.asset AND p.amount = NEW.amount
        AND p.debit = 'float' AND p.credit = CASE NEW.outcome WHEN 'paid' THEN 'cash' ELSE 'claims' END) THEN
        RAISE EXCEPTION 'a found payout comes with its posting';
    END IF;
    IF TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1) AND p.withdrawal IS NULL
    AND p.asset = NEW.asset AND p.amount = NEW.amount
        AND p.credit = 'float' AND p.debit = CASE NEW.outcome WHEN 'paid' THEN 'cash' ELSE 'claims' END) THEN
        RAISE EXCEPTION 'a found payout is matched with its posting';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER found_payouts_posted BEFORE INSERT OR UPDATE OF withdrawal ON found_payouts
    FOR EACH ROW EXECUTE FUNCTION found_payout_is_posted();
