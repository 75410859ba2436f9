-- Migration 0005: TRUNCATE fires no row trigger, so it would walk past the counter of held tickets and the history.

CREATE FUNCTION fairdeal_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never emptied: TRUNCATE passes the guards of tickets and their history', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;

CREATE TRIGGER tickets_refuse_truncate BEFORE TRUNCATE ON tickets
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_refuse_truncate();
CREATE TRIGGER ticket_events_refuse_truncate BEFORE TRUNCATE ON ticket_events
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_refuse_truncate();
