"""Archiving while agents work, with archivers killed in between: every ticket stays whole, in exactly one place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.waiting import wait_until
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean
from tests.faults.verdict import judge

OLD = 6_000
LINES = 4
KILLS = 6

PLANT = """
WITH made AS (
    INSERT INTO tickets (subject, status, agent_id, epoch, external_id, created_at, updated_at, assigned_at)
    SELECT 'old ' || n, 'closed', %(agent)s, 1, 'old-' || n, at, at, at
    FROM generate_series(1, %(count)s) AS n,
         LATERAL (SELECT now() - interval '100 days' + n * interval '1 s' AS at) AS moment ORDER BY n
    RETURNING id, agent_id, created_at AS at
)
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, at)
SELECT made.id, line.cause, line.before, line.after, CASE line.epoch WHEN 1 THEN made.agent_id END, line.epoch, made.at
FROM made, LATERAL (VALUES (1, 'import', NULL, 'open', 0), (2, 'fetch', 'open', 'assigned', 1),
    (3, 'resolve', 'assigned', 'resolved', 1), (4, 'close', 'resolved', 'closed', 1)
) AS line (place, cause, before, after, epoch)
ORDER BY made.id, line.place
"""
# No messenger runs here: what is there by now counts as told.
TOLD = """
INSERT INTO event_cursors (reader, xact, event_id)
SELECT reader, pg_snapshot_xmax(pg_current_snapshot()), 0 FROM unnest(ARRAY['mails', 'webhooks']) AS reader
ON CONFLICT (reader) DO UPDATE SET xact = excluded.xact, event_id = excluded.event_id
"""
PLACES = """
SELECT (SELECT count(*) FROM tickets WHERE external_id LIKE 'old-%%') AS here,
       (SELECT count(*) FROM archived_tickets) AS there,
       (SELECT count(*) FROM tickets JOIN archived_tickets USING (id)) AS twice,
       (SELECT count(*) FROM archived_ticket_events) AS lines,
       (SELECT count(*) FROM (SELECT FROM archived_ticket_events GROUP BY ticket_id HAVING count(*) <> %(lines)s) AS t)
           AS torn
"""


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_archivers_may_be_killed_while_agents_work(open_stand: Callable[..., Stand]) -> None:
    stand = open_stand(reconciling=True)
    stand.make_tickets(300)
    stand.sql(PLANT, count=OLD, agent=stand.people.agents[0].id)
    stand.sql(TOLD)
    archivers = [
        stand._describe(f"archiver-{n}", ["service", "archive", "--older-than", "30d", "--yes"]) for n in range(2)
    ]
    kills = 0
    with Load(stand, agents=6, creators=2, admins=1, seed=71, seconds=240) as load, load.fault():
        while (before := stand.sql(PLACES, lines=LINES)[0]).here:
            for archiver in archivers:
                if not archiver.is_running:
                    archiver.begin()
            moves = lambda so_far=before.there: stand.sql(PLACES, lines=LINES)[0].there > so_far  # noqa: E731
            assert wait_until(moves, 60), archivers[0].log.read_text()
            found = stand.sql(PLACES, lines=LINES)[0]
            assert (found.here + found.there, found.twice, found.torn) == (OLD, 0, 0), found
            if kills < KILLS and found.here:
                archivers[kills % 2].kill()
                kills += 1
        load.acknowledge(100)
    for archiver in archivers:
        assert wait_until(lambda archiver=archiver: not archiver.is_running, 30)  # type: ignore[misc]
    verdict = judge(
        stand, load, "archiver-killed", converge_within_s=120,
        what=f"two archivers at once among {OLD:,} old tickets, one of them killed {kills} times",
    )  # fmt: skip
    check_clean(stand, load)
    assert verdict.holds, verdict.problems
    found = stand.sql(PLACES, lines=LINES)[0]
    assert (found.here, found.there, found.twice, found.lines, found.torn) == (0, OLD, 0, LINES * OLD, 0)
    assert kills > 1
