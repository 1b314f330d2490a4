-- History is appended, never changed, and not emptied either.
CREATE FUNCTION audit_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit) THEN
        RAISE EXCEPTION 'audit is append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_in_order();
CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER transitions_never_emptied BEFORE TRUNCATE ON transitions
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER postings_never_emptied BEFORE TRUNCATE ON postings
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER withdrawals_never_emptied BEFORE TRUNCATE ON withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What was asked for stays what was asked for.
CREATE FUNCTION terms_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of a withdrawal never change';
END $$;
CREATE TRIGGER withdrawals_terms_stay BEFORE UPDATE OF
    row_id, id, reference, door, idempotency_key, asset, recipient, amount, request_id, request_owner,
    request_created_at, deadline, received_at ON withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION terms_stay();
