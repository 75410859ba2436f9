"""Rows that name transactions, fitted to another server: its numbers are others, and may be smaller.

The history is read as an outbox in the order of the transactions that wrote it (`service.store.event_feed`). On a
server that has not come as far as the one the rows are from, what is new would look older than what was told long ago,
and would never be told. So what nobody has still to be told of names no transaction any more, what somebody has is
numbered from 1 on, in the same order, and the readers' places and the webhooks' beginnings are moved along.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

# What the reader who is furthest behind has still to read. No reader at all has read nothing.
UNTOLD = text("""
CREATE TEMPORARY TABLE untold ON COMMIT DROP AS
SELECT e.xact AS old, dense_rank() OVER (ORDER BY e.xact) AS new
FROM (SELECT DISTINCT xact FROM ticket_events
      WHERE xact IS NOT NULL
        AND (xact, id) > (coalesce((SELECT xact FROM event_cursors ORDER BY xact, event_id LIMIT 1), '0'),
                          coalesce((SELECT event_id FROM event_cursors ORDER BY xact, event_id LIMIT 1), 0))) AS e
""")

# These numbers must be below those of all transactions to come. A server that has just been made is at some 700: where
# more is untold, numbers are used up, each by a subtransaction that writes.
FITTING = text("""
DO $$
DECLARE
    missing bigint := (SELECT coalesce(max(new), 0) FROM untold) + 2
                      - CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint);
BEGIN
    CREATE TEMPORARY TABLE used_up (n bigint) ON COMMIT DROP;
    FOR n IN 1..missing LOOP
        BEGIN
            INSERT INTO used_up VALUES (n);
        EXCEPTION WHEN division_by_zero THEN
            NULL;  -- never: the clause is what makes the block a subtransaction
        END;
    END LOOP;
END $$
""")

EVENTS = text("""
UPDATE ticket_events e
SET xact = (SELECT CAST(CAST(u.new AS text) AS xid8) FROM untold u WHERE u.old = e.xact)
WHERE e.xact IS NOT NULL
""")

# A place within a transaction stays there; one behind a transaction comes behind all that is told already.
CURSORS = text("""
UPDATE event_cursors c
SET event_id = CASE WHEN EXISTS (SELECT FROM untold u WHERE u.old = c.xact)
                    THEN c.event_id ELSE 9223372036854775807 END,
    xact = CAST(CAST(coalesce((SELECT max(u.new) FROM untold u WHERE u.old <= c.xact), 0) AS text) AS xid8)
""")

BEGINNINGS = text("""
UPDATE webhooks w
SET active_from = CAST(CAST(1 + coalesce((SELECT max(u.new) FROM untold u WHERE u.old < w.active_from), 0) AS text)
                       AS xid8)
""")


def renumber(connection: Connection) -> None:
    """Give new numbers to what has still to be told of, in the caller's transaction, in which the guards are off."""
    for query in (UNTOLD, FITTING, EVENTS, CURSORS, BEGINNINGS):
        connection.execute(query)
