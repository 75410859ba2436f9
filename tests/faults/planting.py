"""A backlog of any size, and drift of every kind planted in it, all at once and of known size."""

from __future__ import annotations

import contextlib
import random
from uuid import uuid4

from redis import Redis

from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.keys import claim_member, pack
from tests.faults.stand import Stand

MEDIUM = Priority.MEDIUM
CLAIM = 15

HEAD = 30_000
"""Entries at the head that agents deal with while the rest is wrong: what they pop would not be found any more."""

_CLOSE = """
WITH closed AS (
    UPDATE tickets SET deleted_at = now(), updated_at = now() WHERE id = ANY (%(ids)s) RETURNING id, status, epoch
)
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, epoch)
SELECT id, 'delete', status, NULL, epoch FROM closed
"""


_MAKE = """
WITH made AS (
    INSERT INTO tickets (subject, created_at, updated_at)
    SELECT 'seeded ' || n, now() - interval '1 hour', now() - interval '1 hour'
    FROM generate_series(1, %(count)s) AS n ORDER BY n
    RETURNING id, epoch
)
INSERT INTO ticket_events (ticket_id, cause, to_status, epoch) SELECT id, 'import', 'open', epoch FROM made ORDER BY id
"""


def make_backlog(stand: Stand, count: int) -> None:
    """Make open tickets an hour old, with their history, and queue them."""
    stand.sql(_MAKE, count=count)
    stand.sql("VACUUM ANALYZE tickets")
    stand.rebuild()


def plant(stand: Stand, *, each: int, seed: int) -> dict[str, int]:
    """Make `each` entries wrong in each way and count them by kind. Nobody may be using the service meanwhile.

    Stale claims are of the oldest tickets, as they are in life; all else is spread over what no junior will reach soon.
    """
    dice = random.Random(seed)
    ids = stand.open_ids(MEDIUM.value)
    claimed = ids[: each - each % CLAIM]
    chosen = dice.sample(ids[HEAD + len(claimed) :], 5 * each)
    missing, phantom, twice, moved, elsewhere = (set(chosen[n * each : (n + 1) * each]) for n in range(5))
    stand.sql(_CLOSE, ids=list(phantom))
    left = [i for i in ids[len(claimed) :] if i not in missing and i not in moved and i not in elsewhere]
    strays: list[object] = [*moved, *twice, *(f"poison {n}" for n in range(each))]
    entries = _scattered(left, strays, dice)
    with contextlib.closing(stand.redis_client()) as client:
        _replace(client, stand.keys.queue(MEDIUM), entries)
        _replace(client, stand.keys.queue(Priority.HIGH), sorted([*map(int, stand.queue_ids("high")), *elsewhere]))
        agents = [person.id for person in stand.people.agents]
        claims = [claimed[n : n + CLAIM] for n in range(0, len(claimed), CLAIM)]
        with client.pipeline(transaction=False) as pipeline:
            for number, part in enumerate(claims):
                packed = pack(QueuedTicket(ticket_id, MEDIUM) for ticket_id in part)
                pipeline.zadd(stand.keys.claims, {claim_member(uuid4(), agents[number % len(agents)], packed): 1})
            for agent_id in agents[-5:]:
                pipeline.sadd(stand.keys.held(agent_id), 999_999_999)
            pipeline.execute()
    return {
        "missing": each,
        "phantom": each,
        "duplicate": each,
        "out_of_order": 2 * each,
        "poison": each,
        "stale_claim": len(claims),
        "wrong_held": 5,
    }


def _scattered(entries: list[int], strays: list[object], dice: random.Random) -> list[object]:
    """Put each stray somewhere behind the head, never next to where it belongs."""
    dice.shuffle(strays)
    places = sorted(dice.sample(range(HEAD, len(entries) - 1_000), len(strays)))
    mixed: list[object] = []
    start = 0
    for place, stray in zip(places, strays, strict=True):
        mixed += entries[start:place]
        mixed.append(stray)
        start = place
    return mixed + entries[start:]


def _replace(client: Redis, key: str, entries: list[object] | list[int]) -> None:
    draft = f"{key}:draft"
    for start in range(0, len(entries), 5_000):
        client.rpush(draft, *map(str, entries[start : start + 5_000]))
    client.rename(draft, key)
