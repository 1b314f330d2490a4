-- A withdrawal's reference is a hash of its id: two rows of one id would have one reference. One unique index that rows
-- come to at random places is enough, and among a million rows such an index is most of what a new one costs.
ALTER TABLE withdrawals DROP CONSTRAINT withdrawals_id_key;
