-- Migration 0013: what an upload repeated under its key finds, and since when a ticket is open that was not always.

ALTER TABLE imports ADD COLUMN operation_id UUID;
CREATE UNIQUE INDEX imports_operation_key ON imports (operation_id) WHERE operation_id IS NOT NULL;

-- NULL for a ticket that has been open since its creation: most are, and those cost nothing here.
ALTER TABLE tickets ADD COLUMN requeued_at TIMESTAMP WITH TIME ZONE;

-- By the database, so that it holds whoever writes, an older version of the service included.
CREATE FUNCTION fairdeal_stamp_requeued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.requeued_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER tickets_stamp_requeued BEFORE UPDATE OF status ON tickets
    FOR EACH ROW WHEN (NEW.status = 'open' AND OLD.status <> 'open')
    EXECUTE FUNCTION fairdeal_stamp_requeued();

-- Their last change is the best that is known of those that are open again already.
UPDATE tickets SET requeued_at = updated_at WHERE status = 'open' AND epoch > 0 AND deleted_at IS NULL;

CREATE INDEX tickets_requeued_idx ON tickets (priority, requeued_at)
    WHERE status = 'open' AND deleted_at IS NULL AND requeued_at IS NOT NULL;
