-- What the transaction took from the lane for gas, in wei (64 hexadecimal digits), by its receipt; null where no receipt
-- was read.
ALTER TABLE attempts ADD COLUMN fee TEXT CHECK (fee IS NULL OR length(fee) = 64);

-- Under which tier the vault paid it: the function that its transaction called. Null for payouts found before this.
ALTER TABLE found_payouts ADD COLUMN tier TEXT CHECK (tier IN ('instant', 'approved', 'delayed'));
