-- A withdrawal's reference is a hash of its id: two rows of one id would have one reference. One unique index that rows
-- come to at random places is enough, and among a million rows such an index is most of what a new one costs. The
-- constraint is taken back as in migration 3, its index made one that can be dropped, those behind it moved up.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, 'id                 TEXT NOT NULL UNIQUE', 'id                 TEXT NOT NULL')
WHERE type = 'table' AND name = 'withdrawals';
UPDATE sqlite_schema
SET name = 'withdrawals_id', sql = 'CREATE UNIQUE INDEX withdrawals_id ON withdrawals (id)'
WHERE name = 'sqlite_autoindex_withdrawals_1';
UPDATE sqlite_schema SET name = 'sqlite_autoindex_withdrawals_1' WHERE name = 'sqlite_autoindex_withdrawals_2';
UPDATE sqlite_schema SET name = 'sqlite_autoindex_withdrawals_2' WHERE name = 'sqlite_autoindex_withdrawals_3';
PRAGMA writable_schema = RESET;
DROP INDEX withdrawals_id;

DROP TRIGGER withdrawals_no_replace;
CREATE TRIGGER withdrawals_no_replace BEFORE INSERT ON withdrawals
WHEN EXISTS (SELECT 1 FROM withdrawals WHERE row_id = NEW.row_id)
    OR EXISTS (SELECT 1 FROM withdrawals WHERE reference = NEW.reference)
BEGIN SELECT RAISE(IGNORE); END;
