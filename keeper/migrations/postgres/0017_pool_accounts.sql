-- What each margin pool owed, at a final block: booked as far as that. 64 hexadecimal digits, in units of the collateral.
ALTER TABLE margin_pools ADD COLUMN collateral TEXT;
ALTER TABLE margin_pools ADD COLUMN held TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE margin_pools ADD COLUMN held_at BIGINT NOT NULL DEFAULT 0;

-- Their money, and whose it is, are accounts too.
ALTER TABLE postings DROP CONSTRAINT postings_accounts;
ALTER TABLE postings ADD CONSTRAINT postings_accounts CHECK (
    debit IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'pools', 'margin', 'gas', 'purse', 'lost')
    AND credit IN ('cash', 'float', 'orders', 'swaps', 'depositors', 'requests', 'claims', 'cold', 'reserve', 'pools', 'margin', 'gas', 'purse', 'lost'));

-- A pool is booked from nothing on, and only with its posting.
CREATE FUNCTION pool_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.held <> '0000000000000000000000000000000000000000000000000000000000000000' THEN
        RAISE EXCEPTION 'a pool is booked from nothing on';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.held <> OLD.held AND NOT EXISTS (
        SELECT 1 FROM postings p WHERE p.audit = (SELECT seq FROM audit_head WHERE id = 1)
        AND p.asset = NEW.collateral AND 'pools' IN (p.debit, p.credit)) THEN
        RAISE EXCEPTION 'what a pool holds changes only with its posting';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER margin_pools_posted BEFORE INSERT OR UPDATE OF held ON margin_pools
    FOR EACH ROW EXECUTE FUNCTION pool_is_posted();
