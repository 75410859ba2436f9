-- Migration 0011: webhooks, and what is sent to them. Frozen: change the schema by a new migration.

-- active_from: the transactions that a webhook is told of begin here; by their numbers, as readers of the history go.
-- lease, leased_until: who sends to it now; one at a time, so that deliveries arrive in order.
CREATE TABLE webhooks (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    url TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    causes TEXT[] DEFAULT '{}' NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until TIMESTAMP WITH TIME ZONE,
    is_active BOOLEAN DEFAULT true NOT NULL,
    active_from xid8 DEFAULT pg_snapshot_xmin(pg_current_snapshot()) NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    disabled_why TEXT,
    failures INTEGER DEFAULT 0 NOT NULL,
    given_up INTEGER DEFAULT 0 NOT NULL,
    failing_since TIMESTAMP WITH TIME ZONE,
    delivered BIGINT DEFAULT 0 NOT NULL,
    resume_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    served_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    lease BIGINT DEFAULT 0 NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    created_by BIGINT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT webhooks_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id)
);

-- event_ids: lines of ticket_events, which are never changed, so that the message can be written anew at each try.
-- asked_at_attempt: the number of tries when it was last asked for; patience counts from there.
CREATE TABLE webhook_deliveries (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    message_id UUID DEFAULT gen_random_uuid() NOT NULL,
    webhook_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    event_ids BIGINT[] DEFAULT '{}' NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    asked_at_attempt INTEGER DEFAULT 0 NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    last_tried_at TIMESTAMP WITH TIME ZONE,
    last_status SMALLINT,
    last_error TEXT,
    last_duration_ms INTEGER,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY(webhook_id) REFERENCES webhooks (id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_kind_known CHECK (kind IN ('events', 'ping')),
    CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_pending_has_time CHECK ((state = 'pending') = (next_try_at IS NOT NULL))
);
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (webhook_id, next_try_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_failed_idx ON webhook_deliveries (webhook_id, id) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_webhook_idx ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_created_at_idx ON webhook_deliveries (created_at);
