-- The caller's span, 16 hexadecimal digits, below which the withdrawal's own stands. None when the caller named no trace.
ALTER TABLE withdrawals ADD COLUMN trace_parent TEXT;
