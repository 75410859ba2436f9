"""The statements that move mails from state to state.

Each is guarded by the state it leaves and, where a sender makes it, by the number of the sender's attempt: a sender
that was thought dead and is not can change nothing any more once another has taken the mail.
"""

from __future__ import annotations

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from service.domain.model import Cause
from service.domain.notices import NoticeKind
from service.store.event_feed import page_of

_AGO = "now() - CAST(:silent_s AS double precision) * interval '1 second'"

DUE = text("SELECT EXISTS (SELECT FROM mails WHERE state = 'waiting' AND next_try_at <= now())")
LEFT = text(f"SELECT EXISTS (SELECT FROM mails WHERE state = 'sending' AND taken_at < {_AGO})")  # noqa: S608 - our own

# Most of the history is what agents do themselves, and most of that fetches: those lines are passed over unread. Whom
# the others concern, `service.domain.notices` says; no line may be left out here that concerns anybody by those rules.
WANTED = page_of(f"""CASE WHEN e.cause = '{Cause.FETCH}' AND e.from_status = 'open' THEN e.agent_id IN (
    SELECT u.id FROM (SELECT DISTINCT agent_id FROM whole WHERE cause = '{Cause.FETCH}') f
    JOIN users u ON u.id = f.agent_id AND u.is_active AND u.deleted_at IS NULL AND u.email <> ''
    LEFT JOIN notification_preferences p ON p.user_id = u.id
    WHERE '{NoticeKind.FETCHED}' <> ALL (coalesce(p.muted, '{{}}'))
) ELSE e.cause = '{Cause.FETCH}'
       OR coalesce(e.agent_id <> coalesce(e.actor_id, 0), false)
       OR coalesce(e.from_agent_id <> coalesce(e.actor_id, 0), false)
END""")  # noqa: S608 - our own

WRITE = text("""
INSERT INTO mails (user_id, kind, event_id, happened_at, lines, attempts_allowed)
SELECT n.user_id, n.kind, n.event_id, n.happened_at, n.lines, :attempts_allowed
FROM jsonb_to_recordset(:notices)
     AS n (place integer, user_id bigint, kind text, event_id bigint, happened_at timestamptz, lines jsonb)
JOIN users u ON u.id = n.user_id AND u.is_active AND u.deleted_at IS NULL AND u.email <> ''
LEFT JOIN notification_preferences p ON p.user_id = u.id
WHERE n.kind <> ALL (coalesce(p.muted, '{}'))
  AND n.happened_at > clock_timestamp() - CAST(:fresh_s AS double precision) * interval '1 second'
ORDER BY n.place
ON CONFLICT (event_id, user_id, kind) DO NOTHING
""").bindparams(bindparam("notices", type_=JSONB))

WAIT_AGAIN = text(f"""
UPDATE mails
SET state = CASE WHEN attempts < attempts_allowed THEN 'waiting' ELSE 'failed' END,
    settled_at = CASE WHEN attempts < attempts_allowed THEN NULL ELSE clock_timestamp() END,
    next_try_at = clock_timestamp(), last_error = 'Its sender died before it was sent'
WHERE state = 'sending' AND handed_over_at IS NULL AND taken_at < {_AGO}
""")  # noqa: S608 - our own

GIVE_UP_KNOWING = text(f"""
UPDATE mails
SET state = 'unknown', settled_at = clock_timestamp(),
    last_error = 'Its sender died, or lost PostgreSQL, after it began to hand the message over'
WHERE state = 'sending' AND handed_over_at < {_AGO}
""")  # noqa: S608 - our own

TAKE = text("""
UPDATE mails SET state = 'sending', attempts = attempts + 1, taken_at = clock_timestamp()
WHERE id = (SELECT id FROM mails WHERE state = 'waiting' AND next_try_at <= now()
            ORDER BY next_try_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, user_id, kind, message_id, happened_at, lines, attempts, attempts_allowed
""")

RECIPIENT = text("""
SELECT email, btrim(first_name || ' ' || last_name) AS name, username
FROM users WHERE id = :user_id AND is_active AND deleted_at IS NULL AND email <> ''
""")

# Tickets and users are never removed: what was deleted since is named all the same.
LINES = text("""
SELECT t.id AS ticket_id, t.subject, t.status, t.priority, said.cause, said.note, actor.username AS actor,
       extract(epoch FROM clock_timestamp() - t.created_at)::double precision AS age_s
FROM jsonb_to_recordset(:lines) AS said (ticket_id bigint, cause text, actor_id bigint, note text)
JOIN LATERAL (
    SELECT id, subject, status, priority, created_at FROM tickets WHERE id = said.ticket_id
    UNION ALL
    SELECT id, subject, status, priority, created_at FROM archived_tickets WHERE id = said.ticket_id
) AS t ON true
LEFT JOIN users actor ON actor.id = said.actor_id
ORDER BY t.id
""").bindparams(bindparam("lines", type_=JSONB))

_MINE = "id = :id AND attempts = :attempt"

HAND_OVER = text(f"""
UPDATE mails SET handed_over_at = clock_timestamp(), sent_to = :address
WHERE {_MINE} AND state = 'sending' AND handed_over_at IS NULL
""")  # noqa: S608 - our own

# Late news of a mail that was taken for lost is news all the same.
SETTLE = text(f"""
UPDATE mails
SET state = :state, settled_at = clock_timestamp(), last_error = coalesce(CAST(:error AS text), last_error)
WHERE {_MINE} AND state IN ('sending', 'unknown')
""")  # noqa: S608 - our own

RETRY = text(f"""
UPDATE mails
SET state = 'waiting', handed_over_at = NULL, sent_to = NULL, settled_at = NULL, last_error = :error,
    next_try_at = clock_timestamp() + CAST(:pause_s AS double precision) * interval '1 second'
WHERE {_MINE} AND state IN ('sending', 'unknown')
""")  # noqa: S608 - our own

POSTPONE = text("""
UPDATE mails SET next_try_at = clock_timestamp() + CAST(:pause_s AS double precision) * interval '1 second'
WHERE id IN (SELECT id FROM mails WHERE state = 'waiting' AND next_try_at <= now()
             ORDER BY next_try_at, id FOR UPDATE SKIP LOCKED)
""")

REDELIVER = text("""
UPDATE mails
SET state = 'waiting', next_try_at = clock_timestamp(), attempts_allowed = attempts + :attempts_allowed,
    handed_over_at = NULL, sent_to = NULL, settled_at = NULL
WHERE id = :id AND state = ANY (:states)
""")

PRUNE = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM mails
    WHERE settled_at < now() - CAST(:age_s AS double precision) * interval '1 second'
    ORDER BY settled_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM mails m USING old WHERE m.id = old.id
""")
