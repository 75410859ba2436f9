"""Drift of four kinds, planted in a site's queue while nobody uses it."""

from __future__ import annotations

import random

from redis import Redis

from scripts.benchmark.sites import Site
from service.domain.model import Priority
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys

_PUSHED = 5_000
_HEAD = 5_000
"""Entries at the head that are left as they are."""

# Long ago: what has changed lately may be on its way, and is no drift.
_DELETE = """
WITH gone AS (
    UPDATE tickets SET deleted_at = now(), updated_at = now() - interval '1 hour' WHERE id = ANY (%(ids)s)
    RETURNING id, status, epoch
)
INSERT INTO ticket_events (ticket_id, cause, from_status, epoch) SELECT id, 'delete', status, epoch FROM gone
"""


def plant(site: Site, *, share: float, seed: int) -> int:
    """Make this share of the queue wrong in each of four ways (missing, phantom, twice, moved); say how many each."""
    client = make_client(site.settings.redis_url, timeout_ms=10_000)
    key = Keys(site.settings.queue_prefix).queue(Priority.MEDIUM)
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    ids = [int(entry) for entry in client.lrange(key, 0, -1)]
    each = int(len(ids) * share)
    chosen = dice.sample(ids[min(_HEAD, len(ids) // 4) :], 4 * each)
    missing, phantom, twice, moved = (set(chosen[n * each : (n + 1) * each]) for n in range(4))
    with site.sql.cursor() as cursor:
        cursor.execute(_DELETE, {"ids": list(phantom)})
        cursor.execute("VACUUM ANALYZE tickets")
    left = [ticket_id for ticket_id in ids if ticket_id not in missing and ticket_id not in moved]
    _replace(client, key, _scattered(left, [*twice, *moved], dice))
    client.close()
    return each


def _scattered(entries: list[int], strays: list[int], dice: random.Random) -> list[int]:
    """Put the strays among the entries, each behind another one of them."""
    dice.shuffle(strays)
    places = sorted(dice.sample(range(len(entries)), len(strays)))
    found: list[int] = []
    begin = 0
    for place, stray in zip(places, strays, strict=True):
        found += entries[begin:place]
        found.append(stray)
        begin = place
    return found + entries[begin:]


def _replace(client: Redis, key: str, entries: list[int]) -> None:
    draft = f"{key}:draft"
    client.delete(draft)
    for first in range(0, len(entries), _PUSHED):
        client.rpush(draft, *entries[first : first + _PUSHED])
    client.rename(draft, key)
