-- Migration 0019: tickets beside an archive, and lists of a million. Frozen: change the schema by a new migration.
-- On a large table in use, build the indexes by hand beforehand (CREATE INDEX CONCURRENTLY, same names): docs/adr/0038.

-- An external id is unique among all tickets, archived ones included. Looked at AFTER the row went in: whoever creates
-- the like of a ticket that is just being archived has by then waited for the archiver, and this query sees what it did.
-- A look before would see neither. Checkouts from between two versions made it in 0018: see 0022.
CREATE OR REPLACE FUNCTION fairdeal_refuse_archived_external_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM archived_tickets a WHERE a.external_id = NEW.external_id) THEN
        RAISE EXCEPTION 'an archived ticket has the external id %', NEW.external_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'tickets_external_key', TABLE = 'tickets';
    END IF;
    RETURN NULL;
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'tickets'::regclass
                                            AND tgname = 'tickets_refuse_archived_external_id') THEN
        CREATE TRIGGER tickets_refuse_archived_external_id AFTER INSERT OR UPDATE OF external_id ON tickets
            FOR EACH ROW WHEN (NEW.external_id IS NOT NULL)
            EXECUTE FUNCTION fairdeal_refuse_archived_external_id();
    END IF;
END $$;

-- What may be archived, by when it last changed.
CREATE INDEX IF NOT EXISTS tickets_archivable_idx ON tickets (updated_at, id)
    WHERE status IN ('closed', 'sold') OR deleted_at IS NOT NULL;

-- By their last change, those done and those in hand: neither behind all the others. What is open has an index already.
CREATE INDEX IF NOT EXISTS tickets_done_changed_idx ON tickets (status, updated_at, id)
    WHERE status IN ('closed', 'sold') AND deleted_at IS NULL;

-- This one would serve to find one agent's hand, too, and while statistics say that nobody holds anything, as they do in
-- the morning, the planner would take it and read all hands for each fetch. The condition on the time says nothing, but
-- only queries that name it, as lists by change do, can use the index.
CREATE INDEX IF NOT EXISTS tickets_held_by_change_idx ON tickets (updated_at, id)
    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL AND updated_at > '-infinity';
