"""A database of 1,000,000 tickets: most of them done, some in hand, some open."""

from __future__ import annotations

from sqlalchemy import Connection, text

from service.store.tables import metadata

AGENTS, SESSIONS, CLAIMS, FINISHED, HELD_BY_EACH = 5_000, 20_000, 20_000, 900_000, 4
EVENTS = 300_000
FIRST_OPEN = FINISHED + AGENTS * HELD_BY_EACH + 1
OPEN, REQUEUED = 100_000, 300
ARCHIVED, FIRST_ARCHIVED = 100_000, 5_000_000

LOAD = (
    # No trigger runs while loading (superuser): the counter of held tickets is written as the triggers would have it.
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
    f"""INSERT INTO users (username, role, password_hash)
        SELECT 'agent' || n, 'agent', '!' FROM generate_series(1, {AGENTS}) AS n""",
    f"""INSERT INTO agents (id, level, held)
        SELECT id, CASE id % 2 WHEN 0 THEN 'senior' ELSE 'junior' END, {HELD_BY_EACH} FROM users""",
    f"""INSERT INTO sessions (id, user_id, refresh_jti, expires_at)
        SELECT gen_random_uuid(), 1 + n % {AGENTS}, gen_random_uuid(), now() + interval '1 day'
        FROM generate_series(1, {SESSIONS}) AS n""",
    f"""INSERT INTO claims (id, agent_id, ticket_ids)
        SELECT gen_random_uuid(), 1 + n % {AGENTS}, ARRAY[n] FROM generate_series(1, {CLAIMS}) AS n""",
    """INSERT INTO customers (name, email)
       SELECT 'Kim', 'kim' || n || '@example.com' FROM generate_series(1, 1000) AS n""",
    # Sold and closed long ago, in the order of their ids; then those in hand; then the open ones.
    f"""INSERT INTO tickets
            (subject, priority, status, agent_id, customer_id, epoch, created_at, updated_at, sold_at)
        SELECT 'Ticket ' || n, (ARRAY['low', 'medium', 'high'])[1 + n % 3],
               CASE n % 2 WHEN 0 THEN 'sold' ELSE 'closed' END, 1 + n % {AGENTS},
               CASE n % 2 WHEN 0 THEN 1 + n % 1000 END, 1, at, at, CASE n % 2 WHEN 0 THEN at END
        FROM generate_series(1, {FINISHED}) AS n,
             LATERAL (SELECT now() - interval '9 days' + n * interval '0.8 s' AS at) AS moment""",
    f"""INSERT INTO tickets (subject, status, agent_id, epoch, assigned_at)
        SELECT 'Ticket', 'assigned', 1 + n % {AGENTS}, 1, now() - n * interval '1 s'
        FROM generate_series(1, {AGENTS * HELD_BY_EACH}) AS n""",
    f"""INSERT INTO tickets (subject, priority, created_at, updated_at, requeued_at)
        SELECT 'Ticket', (ARRAY['low', 'medium', 'high'])[1 + n % 3], at, at, CASE WHEN n <= {REQUEUED} THEN at END
        FROM generate_series(1, {OPEN}) AS n,
             LATERAL (SELECT now() - interval '1 day' + n * interval '0.86 s' AS at) AS moment""",
    f"""INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, at)
        SELECT n, 'fetch', 'open', 'assigned', 1 + n % {AGENTS}, 1, now() - interval '9 days' + n * interval '0.8 s'
        FROM generate_series(1, {EVENTS}) AS n""",
    f"""INSERT INTO archived_tickets
            (id, subject, description, priority, status, agent_id, epoch, created_at, updated_at)
        SELECT {FIRST_ARCHIVED} + n, 'Ticket ' || n, '', 'medium', 'closed', 1 + n % {AGENTS}, 1, at, at
        FROM generate_series(1, {ARCHIVED}) AS n,
             LATERAL (SELECT now() - interval '200 days' + n * interval '1 s' AS at) AS moment""",
    f"""INSERT INTO archived_ticket_events (id, ticket_id, cause, from_status, to_status, agent_id, epoch, note, at)
        SELECT {FIRST_ARCHIVED} + n, {FIRST_ARCHIVED} + n, 'fetch', 'open', 'assigned', 1 + n % {AGENTS}, 1, '', now()
        FROM generate_series(1, {ARCHIVED}) AS n""",
    "SET session_replication_role = origin",
)

INDEXES = text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tickets' AND indexname <> 'tickets_pkey'")


def fill(connection: Connection) -> None:
    """Load everything; indexes are made afterwards, which is faster by half.

    No autovacuum: its snapshot would keep ours from marking what all can see, and plans would differ from run to run.
    """
    for table in metadata.tables:
        connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
    indexes = connection.execute(INDEXES).all()
    for name, _ in indexes:
        connection.execute(text(f"DROP INDEX {name}"))
    for statement in LOAD:
        connection.execute(text(statement))
    for _, definition in indexes:
        connection.execute(text(definition))
    connection.execute(text("VACUUM ANALYZE"))
