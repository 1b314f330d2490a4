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

CREATE TRIGGER withdrawals_as_received BEFORE INSERT ON withdrawals WHEN NEW.state <> 'received'
BEGIN SELECT RAISE(ABORT, 'a withdrawal begins as received'); END;

-- Its postings are of its amount and asset, between the accounts that its state says.
CREATE TRIGGER postings_of_a_withdrawal BEFORE INSERT ON postings
WHEN NEW.withdrawal IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM withdrawals w WHERE w.row_id = NEW.withdrawal
        AND w.amount = NEW.amount AND w.asset = NEW.asset AND NEW.to_state IN ('received', 'paid', 'claimable', 'rejected', 'cancelled')
        AND NEW.debit = CASE WHEN NEW.to_state = 'received' THEN
            CASE w.door WHEN 'order' THEN 'float' ELSE 'depositors' END
            ELSE CASE w.door WHEN 'order' THEN 'orders' ELSE 'requests' END END
        AND NEW.credit = CASE WHEN NEW.to_state = 'paid' THEN 'cash' WHEN NEW.to_state = 'claimable' THEN 'claims'
            WHEN NEW.to_state = 'received' THEN CASE w.door WHEN 'order' THEN 'orders' ELSE 'requests' END
            ELSE CASE w.door WHEN 'order' THEN 'float' ELSE 'depositors' END END)
BEGIN SELECT RAISE(ABORT, 'a posting of a withdrawal moves its amount of its asset as its state says'); END;
CREATE TRIGGER postings_accounts BEFORE INSERT ON postings
WHEN NEW.debit NOT IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'gas', 'purse', 'lost')
    OR NEW.credit NOT IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'gas', 'purse', 'lost')
BEGIN SELECT RAISE(ABORT, 'there is no such account'); END;

-- A swap ends only with the postings that say what became of what it was to sell.
CREATE TRIGGER swaps_ended_posted BEFORE UPDATE OF state ON swaps
WHEN NEW.state <> 'open' AND (NEW.state = 'done' OR EXISTS (
        SELECT 1 FROM postings p WHERE p.swap = NEW.row_id AND p.to_state = 'open'))
    AND NOT EXISTS (SELECT 1 FROM postings p WHERE p.swap = NEW.row_id AND p.to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'a swap ends only with its posting'); END;

-- A payout that was found on chain is booked by the same change, and so is its withdrawal when it turns up.
CREATE TRIGGER found_payouts_posted BEFORE INSERT ON found_payouts
WHEN NEW.withdrawal IS NULL AND NOT EXISTS (
    SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1) AND p.withdrawal IS NULL
    AND p.asset = NEW.asset AND p.amount = NEW.amount
    AND p.debit = 'float' AND p.credit = CASE NEW.outcome WHEN 'paid' THEN 'cash' ELSE 'claims' END)
BEGIN SELECT RAISE(ABORT, 'a found payout comes with its posting'); END;
CREATE TRIGGER found_payouts_matched BEFORE UPDATE OF withdrawal ON found_payouts
WHEN NOT EXISTS (
    SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1) AND p.withdrawal IS NULL
    AND p.asset = NEW.asset AND p.amount = NEW.amount
    AND p.credit = 'float' AND p.debit = CASE NEW.outcome WHEN 'paid' THEN 'cash' ELSE 'claims' END)
BEGIN SELECT RAISE(ABORT, 'a found payout is matched with its posting'); END;
