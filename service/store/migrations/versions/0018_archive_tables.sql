-- Migration 0018: the archive's tables (docs/adr/0039). Frozen: change the schema by a new migration.

CREATE TABLE archived_tickets (
    id BIGINT NOT NULL,
    subject TEXT NOT NULL,
    description TEXT NOT NULL,
    priority TEXT NOT NULL,
    status TEXT NOT NULL,
    agent_id BIGINT,
    created_by BIGINT,
    customer_id BIGINT,
    epoch INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    assigned_at TIMESTAMP WITH TIME ZONE,
    resolved_at TIMESTAMP WITH TIME ZONE,
    sold_at TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    operation_id UUID,
    external_id TEXT,
    requeued_at TIMESTAMP WITH TIME ZONE,
    archived_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT archived_tickets_pkey PRIMARY KEY (id),
    CONSTRAINT archived_tickets_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id)
);
CREATE UNIQUE INDEX archived_tickets_external_key ON archived_tickets (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX archived_tickets_customer_idx ON archived_tickets (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX archived_tickets_agent_idx ON archived_tickets (agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX archived_tickets_created_idx ON archived_tickets (created_at, id);
CREATE INDEX archived_tickets_updated_idx ON archived_tickets (updated_at, id);

CREATE TABLE archived_ticket_events (
    id BIGINT NOT NULL,
    ticket_id BIGINT NOT NULL,
    cause TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    agent_id BIGINT,
    actor_id BIGINT,
    epoch INTEGER NOT NULL,
    note TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    operation_id UUID,
    from_agent_id BIGINT,
    priority TEXT,
    CONSTRAINT archived_ticket_events_pkey PRIMARY KEY (id)
);
CREATE INDEX archived_ticket_events_ticket_idx ON archived_ticket_events (ticket_id, id);
CREATE INDEX archived_ticket_events_agent_idx ON archived_ticket_events (agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX archived_ticket_events_from_agent_idx ON archived_ticket_events (from_agent_id, id)
    WHERE from_agent_id IS NOT NULL;

-- One row for each kind of sweep: how much it has done, how much waited when it last ended, since when, and when that was.
CREATE TABLE sweeps (
    what TEXT NOT NULL,
    done BIGINT DEFAULT 0 NOT NULL,
    waiting BIGINT DEFAULT 0 NOT NULL,
    oldest_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT sweeps_pkey PRIMARY KEY (what)
);

-- A line of history leaves `ticket_events` only when it stands in the archive.
CREATE OR REPLACE FUNCTION fairdeal_refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM archived_ticket_events a WHERE a.id = OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'ticket_events is append-only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_events_append_only', TABLE = 'ticket_events';
END $$;

-- In the archive it is written once, too. It leaves when it stands in `ticket_events` again, or after its ticket.
CREATE FUNCTION fairdeal_refuse_archive_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND (EXISTS (SELECT FROM ticket_events e WHERE e.id = OLD.id)
                             OR NOT EXISTS (SELECT FROM archived_tickets t WHERE t.id = OLD.ticket_id)) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'archived_ticket_events is append-only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'archived_ticket_events_append_only',
              TABLE = 'archived_ticket_events';
END $$;

CREATE TRIGGER archived_ticket_events_append_only BEFORE UPDATE OR DELETE ON archived_ticket_events
    FOR EACH ROW EXECUTE FUNCTION fairdeal_refuse_archive_change();
CREATE TRIGGER archived_tickets_refuse_truncate BEFORE TRUNCATE ON archived_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_refuse_truncate();
CREATE TRIGGER archived_ticket_events_refuse_truncate BEFORE TRUNCATE ON archived_ticket_events
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_refuse_truncate();
