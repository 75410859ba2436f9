-- Migration 0001: the first schema. Frozen: change the schema by a new migration.

CREATE TABLE customers (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT customers_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX customers_email_key ON customers (lower(email));

CREATE TABLE leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    token BIGINT DEFAULT 1 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
);

CREATE TABLE ticket_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ticket_id BIGINT NOT NULL,
    cause TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    agent_id BIGINT,
    actor_id BIGINT,
    epoch INTEGER NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ticket_events_pkey PRIMARY KEY (id)
);
CREATE INDEX ticket_events_ticket_idx ON ticket_events (ticket_id, id);

CREATE TABLE users (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    username TEXT NOT NULL,
    email TEXT,
    first_name TEXT DEFAULT '' NOT NULL,
    last_name TEXT DEFAULT '' NOT NULL,
    phone TEXT DEFAULT '' NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_role_known CHECK (role IN ('admin', 'agent', 'operator'))
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_username_key ON users (lower(username)) WHERE deleted_at IS NULL;

CREATE TABLE agents (
    id BIGINT NOT NULL,
    level TEXT DEFAULT 'junior' NOT NULL,
    availability TEXT DEFAULT 'available' NOT NULL,
    auto_assign BOOLEAN DEFAULT false NOT NULL,
    capacity SMALLINT DEFAULT 15 NOT NULL,
    held SMALLINT DEFAULT 0 NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT agents_pkey PRIMARY KEY (id),
    CONSTRAINT agents_level_known CHECK (level IN ('junior', 'senior')),
    CONSTRAINT agents_availability_known CHECK (availability IN ('available', 'away')),
    CONSTRAINT agents_capacity_range CHECK (capacity BETWEEN 1 AND 15),
    CONSTRAINT agents_held_within_capacity CHECK (held BETWEEN 0 AND capacity),
    CONSTRAINT agents_id_fkey FOREIGN KEY(id) REFERENCES users (id)
);

CREATE TABLE reconciliations (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    tier TEXT NOT NULL,
    trigger TEXT NOT NULL,
    dry_run BOOLEAN DEFAULT false NOT NULL,
    status TEXT DEFAULT 'queued' NOT NULL,
    requested_by BIGINT,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    found JSONB DEFAULT '{}' NOT NULL,
    confirmed JSONB DEFAULT '{}' NOT NULL,
    repaired JSONB DEFAULT '{}' NOT NULL,
    false_candidates JSONB DEFAULT '{}' NOT NULL,
    rows_compared BIGINT DEFAULT 0 NOT NULL,
    oldest_drift_ms BIGINT,
    error TEXT,
    CONSTRAINT reconciliations_pkey PRIMARY KEY (id),
    CONSTRAINT reconciliations_tier_known CHECK (tier IN ('fast', 'full')),
    CONSTRAINT reconciliations_status_known CHECK (status IN ('queued', 'running', 'done', 'failed', 'skipped')),
    CONSTRAINT reconciliations_requested_by_fkey FOREIGN KEY(requested_by) REFERENCES users (id)
);

CREATE TABLE sessions (
    id UUID NOT NULL,
    user_id BIGINT NOT NULL,
    refresh_jti UUID NOT NULL,
    previous_jti UUID,
    rotated_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id) WHERE revoked_at IS NULL;

CREATE TABLE claims (
    id UUID NOT NULL,
    agent_id BIGINT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT,
    ticket_ids BIGINT[] NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT claims_pkey PRIMARY KEY (id),
    CONSTRAINT claims_agent_id_fkey FOREIGN KEY(agent_id) REFERENCES agents (id)
);
CREATE INDEX claims_at_idx ON claims (at);
CREATE UNIQUE INDEX claims_idempotency_key ON claims (agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE tickets (
    id BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1),
    subject TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    priority TEXT DEFAULT 'medium' NOT NULL,
    status TEXT DEFAULT 'open' NOT NULL,
    agent_id BIGINT,
    created_by BIGINT,
    customer_id BIGINT,
    epoch INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    assigned_at TIMESTAMP WITH TIME ZONE,
    resolved_at TIMESTAMP WITH TIME ZONE,
    sold_at TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT tickets_pkey PRIMARY KEY (id),
    CONSTRAINT tickets_priority_known CHECK (priority IN ('high', 'medium', 'low')),
    CONSTRAINT tickets_status_known CHECK (status IN ('open', 'assigned', 'in_progress', 'resolved', 'closed', 'sold')),
    CONSTRAINT tickets_open_means_nobody CHECK ((status = 'open') = (agent_id IS NULL)),
    CONSTRAINT tickets_sold_has_time CHECK ((status = 'sold') = (sold_at IS NOT NULL)),
    CONSTRAINT tickets_agent_id_fkey FOREIGN KEY(agent_id) REFERENCES agents (id),
    CONSTRAINT tickets_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id),
    CONSTRAINT tickets_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customers (id)
);
CREATE INDEX tickets_agent_idx ON tickets (agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX tickets_customer_idx ON tickets (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX tickets_held_idx ON tickets (agent_id, id) WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL;
CREATE INDEX tickets_open_changed_idx ON tickets (updated_at) WHERE status = 'open' AND deleted_at IS NULL;
CREATE INDEX tickets_open_idx ON tickets (priority, id) WHERE status = 'open' AND deleted_at IS NULL;

-- Guards of migration 0001: what must hold whoever writes, by whatever path.

-- Keep agents.held equal to the number of tickets in the agent's hands. One UPDATE per agent and statement; the agent's
-- row lock makes writers take turns, and CHECK (held BETWEEN 0 AND capacity) then refuses the ticket too many.
CREATE FUNCTION fairdeal_count_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE agents a SET held = a.held + d.n
        FROM (SELECT agent_id, count(*) AS n FROM new_rows
              WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL GROUP BY agent_id) d
        WHERE a.id = d.agent_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE agents a SET held = a.held - d.n
        FROM (SELECT agent_id, count(*) AS n FROM old_rows
              WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL GROUP BY agent_id) d
        WHERE a.id = d.agent_id;
    ELSE
        UPDATE agents a SET held = a.held + d.n
        FROM (SELECT agent_id, sum(n) AS n
              FROM (SELECT agent_id, 1 AS n FROM new_rows
                    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL
                    UNION ALL
                    SELECT agent_id, -1 FROM old_rows
                    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL) moved
              GROUP BY agent_id HAVING sum(n) <> 0) d
        WHERE a.id = d.agent_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tickets_count_held_insert AFTER INSERT ON tickets
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_count_held();
CREATE TRIGGER tickets_count_held_update AFTER UPDATE ON tickets
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_count_held();
CREATE TRIGGER tickets_count_held_delete AFTER DELETE ON tickets
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION fairdeal_count_held();

-- agents.held belongs to the trigger above; a direct write would make the cap a lie.
CREATE FUNCTION fairdeal_refuse_held_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'agents.held is kept by the database: change the tickets instead'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'agents_held_is_derived', TABLE = 'agents';
END $$;

CREATE TRIGGER agents_refuse_held_update BEFORE UPDATE OF held ON agents
    FOR EACH ROW WHEN (OLD.held IS DISTINCT FROM NEW.held AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION fairdeal_refuse_held_write();
CREATE TRIGGER agents_refuse_held_insert BEFORE INSERT ON agents
    FOR EACH ROW WHEN (NEW.held <> 0)
    EXECUTE FUNCTION fairdeal_refuse_held_write();

-- agents.is_active follows the user. A fetch locks the agent's row and must read there, and not in a row of users that
-- its snapshot may show as it was before the lock was granted, whether the agent still takes part.
CREATE FUNCTION fairdeal_agent_follows_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        UPDATE agents SET is_active = (NEW.is_active AND NEW.deleted_at IS NULL AND NEW.role = 'agent')
        WHERE id = NEW.id;
        RETURN NULL;
    END IF;
    SELECT u.is_active AND u.deleted_at IS NULL AND u.role = 'agent' INTO NEW.is_active FROM users u WHERE u.id = NEW.id;
    RETURN NEW;
END $$;

CREATE TRIGGER users_agent_follows AFTER UPDATE OF is_active, deleted_at, role ON users
    FOR EACH ROW EXECUTE FUNCTION fairdeal_agent_follows_user();
CREATE TRIGGER agents_follow_user BEFORE INSERT ON agents
    FOR EACH ROW EXECUTE FUNCTION fairdeal_agent_follows_user();

-- The epoch is the fencing counter: it never falls, and no ticket changes hands without raising it. A second holder
-- would have to take the ticket from the first; unless it does so knowingly, it is refused.
CREATE FUNCTION fairdeal_refuse_unfenced_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ticket % is with agent %: a change of hands must raise its epoch (now %)',
        OLD.id, coalesce(OLD.agent_id::text, 'nobody'), OLD.epoch
        USING ERRCODE = 'check_violation', CONSTRAINT = 'tickets_epoch_fences', TABLE = 'tickets';
END $$;

CREATE TRIGGER tickets_refuse_unfenced_move BEFORE UPDATE ON tickets
    FOR EACH ROW
    WHEN (NEW.epoch < OLD.epoch OR (NEW.agent_id IS DISTINCT FROM OLD.agent_id AND NEW.epoch <= OLD.epoch))
    EXECUTE FUNCTION fairdeal_refuse_unfenced_move();

-- History is written once.
CREATE FUNCTION fairdeal_refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ticket_events is append-only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_events_append_only', TABLE = 'ticket_events';
END $$;

CREATE TRIGGER ticket_events_append_only BEFORE UPDATE OR DELETE ON ticket_events
    FOR EACH ROW EXECUTE FUNCTION fairdeal_refuse_history_change();
