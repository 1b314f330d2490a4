-- One index per question that the stages ask of what waits, so that the answer takes as long with a million
-- withdrawals that ended as with none.
DROP INDEX withdrawals_waiting;
CREATE INDEX withdrawals_received ON withdrawals (row_id) WHERE state = 'received';
CREATE INDEX withdrawals_held ON withdrawals (row_id) WHERE state = 'held';
CREATE INDEX withdrawals_ready ON withdrawals (asset, door, row_id) WHERE state = 'ready';
CREATE INDEX batches_head ON batches (lane, head_after) WHERE head_after IS NOT NULL;
