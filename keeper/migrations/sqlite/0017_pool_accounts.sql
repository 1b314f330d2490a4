-- What each margin pool owed, at a final block: booked as far as that. 64 hexadecimal digits, in units of the collateral.
ALTER TABLE margin_pools ADD COLUMN collateral TEXT;
ALTER TABLE margin_pools ADD COLUMN held TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE margin_pools ADD COLUMN held_at BIGINT NOT NULL DEFAULT 0;

-- Their money, and whose it is, are accounts too.
DROP TRIGGER postings_accounts;
CREATE TRIGGER postings_accounts BEFORE INSERT ON postings
WHEN NEW.debit NOT IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'pools', 'margin', 'gas', 'purse', 'lost')
    OR NEW.credit NOT IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'pools', 'margin', 'gas', 'purse', 'lost')
BEGIN SELECT RAISE(ABORT, 'there is no such account'); END;

-- A pool is booked from nothing on, and only with its posting.
CREATE TRIGGER margin_pools_from_nothing BEFORE INSERT ON margin_pools WHEN NEW.held <> '0000000000000000000000000000000000000000000000000000000000000000'
BEGIN SELECT RAISE(ABORT, 'a pool is booked from nothing on'); END;
CREATE TRIGGER margin_pools_posted BEFORE UPDATE OF held ON margin_pools
WHEN NEW.held <> OLD.held AND NOT EXISTS (
    SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1)
    AND p.asset = NEW.collateral AND 'pools' IN (p.debit, p.credit))
BEGIN SELECT RAISE(ABORT, 'what a pool holds changes only with its posting'); END;
