-- Migration 0010: mails, and who wants which. Frozen: change the schema by a new migration.

-- A mail is due (waiting), in some sender's hands (sending), or at an end. `attempts` rises each time a sender takes it,
-- and tells that sender from others; `handed_over_at` is written before the message is sent, so that a row which has it
-- and no end may have arrived and is not sent again by itself.
CREATE TABLE mails (
    id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
    user_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    event_id BIGINT NOT NULL,
    happened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lines JSONB NOT NULL,
    message_id UUID NOT NULL DEFAULT gen_random_uuid(),
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_allowed INTEGER NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    taken_at TIMESTAMP WITH TIME ZONE,
    handed_over_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    sent_to TEXT,
    last_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    CONSTRAINT mails_pkey PRIMARY KEY (id),
    CONSTRAINT mails_event_id_key UNIQUE (event_id, user_id, kind),
    CONSTRAINT mails_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT mails_state_known CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'unknown', 'dropped')),
    CONSTRAINT mails_sending_is_taken CHECK (state <> 'sending' OR taken_at IS NOT NULL),
    CONSTRAINT mails_waiting_is_not_handed_over CHECK (state <> 'waiting' OR handed_over_at IS NULL)
);
CREATE INDEX mails_waiting_idx ON mails (next_try_at, id) WHERE state = 'waiting';
CREATE INDEX mails_sending_idx ON mails (taken_at) WHERE state = 'sending';
CREATE INDEX mails_unsent_idx ON mails (state, created_at) WHERE state <> 'sent';
CREATE INDEX mails_settled_idx ON mails (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX mails_user_idx ON mails (user_id, id);

-- Only what somebody has turned off; who has no row is told everything.
CREATE TABLE notification_preferences (
    user_id BIGINT NOT NULL,
    muted TEXT[] NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    CONSTRAINT notification_preferences_pkey PRIMARY KEY (user_id),
    CONSTRAINT notification_preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

-- Nobody is mailed about what happened before there were mails.
INSERT INTO event_cursors (reader, xact, event_id)
VALUES ('mails', pg_snapshot_xmin(pg_current_snapshot()), 0) ON CONFLICT (reader) DO NOTHING;
