"""The queues under the reconciler's eye: see `QueueAudit` in `service.usecases.ports.queue` for the promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import cast
from uuid import uuid4

from redis import Redis

from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.client import errors_as_facts
from service.ticket_queue.keys import Keys, parse_id
from service.ticket_queue.ledger_audit import RedisLedgerAudit
from service.ticket_queue.queue import in_batches
from service.ticket_queue.scripts import script
from service.usecases.ports.queue import SnapshotPage

EVICTED_AT_ONCE = 100
"""Ids taken out by one call from where they belong: some binary searches and one walk over the list."""

WALKS_AT_ONCE = 4
"""Walks over a whole list in one call: some 10 ms each at a million entries, and everybody waits."""

POISON_STRETCH = 5_000
"""Entries looked at by one call in search of poison."""

QUARANTINE_LIMIT = 1_000

ASIDE_S = 7 * 24 * 3600
"""How long a key of a wrong type is kept for somebody to look at."""


class RedisQueueAudit(RedisLedgerAudit):
    """Look into the queue on a Redis or Valkey server (6.2 or later), and mend it by scripts alone."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        super().__init__(client, keys)
        self._client = client
        self._keys = keys

    def snapshot(self, *, token: str, ttl_s: int) -> Mapping[Priority, int]:
        """Run snapshot.lua."""
        pairs = [key for p in Priority for key in (self._keys.queue(p), self._keys.snapshot(token, p))]
        with errors_as_facts():
            lengths = script("snapshot").run(self._client, {"queue_and_snapshot": pairs}, {"ttl_s": ttl_s})
        return dict(zip(Priority, lengths, strict=True))

    def snapshot_page(self, *, token: str, priority: Priority, offset: int, count: int) -> SnapshotPage:
        """LRANGE, and parse."""
        key = self._keys.snapshot(token, priority)
        with errors_as_facts():
            return _parse(self._client.lrange(key, offset, offset + count - 1))

    def drop_snapshot(self, *, token: str) -> None:
        """UNLINK."""
        with errors_as_facts():
            self._client.unlink(*(self._keys.snapshot(token, priority) for priority in Priority))

    def queued(self, tickets: Sequence[QueuedTicket]) -> frozenset[int]:
        """Run queued.lua, a batch at a time."""
        found: set[int] = set()
        with errors_as_facts():
            for priority, ids in in_batches(tickets):
                queue = {"queue": self._keys.queue(priority)}
                found.update(map(int, script("queued").run(self._client, queue, {"id": ids})))
        return frozenset(found)

    def first(self, priority: Priority, *, count: int) -> tuple[int, ...]:
        """LRANGE from the head; poison is left out."""
        with errors_as_facts():
            page = _parse(self._client.lrange(self._keys.queue(priority), 0, count - 1))
        return tuple(entry for entry in page.entries if entry is not None)

    def evict(self, tickets: Sequence[QueuedTicket], *, everywhere: bool = False) -> frozenset[int]:
        """Run evict.lua, a batch at a time."""
        found: set[int] = set()
        size = WALKS_AT_ONCE if everywhere else EVICTED_AT_ONCE
        with errors_as_facts():
            for priority, ids in in_batches(tickets, size=size):
                removed = script("evict").run(
                    self._client,
                    {"queue": self._keys.queue(priority)},
                    {"everywhere": int(everywhere), "max_walks": WALKS_AT_ONCE, "id": ids},
                )
                found.update(map(int, removed))
        return frozenset(found)

    def evict_poison(self, priority: Priority) -> int:
        """Run evict_poison.lua along the whole list, stretch by stretch."""
        offset = evicted = 0
        while True:
            looked_at, removed = self._evict_poison_from(priority, offset)
            evicted += removed
            if removed == WALKS_AT_ONCE:  # there may be more in this stretch
                continue
            if looked_at < POISON_STRETCH:
                return evicted
            offset += looked_at - removed

    def _evict_poison_from(self, priority: Priority, offset: int) -> tuple[int, int]:
        keys = {"queue": self._keys.queue(priority), "quarantine": self._keys.quarantine}
        limits = {"max_walks": WALKS_AT_ONCE, "quarantine_limit": QUARANTINE_LIMIT}
        with errors_as_facts():
            looked_at, removed = script("evict_poison").run(
                self._client, keys, {"from": offset, "count": POISON_STRETCH, **limits}
            )
        return looked_at, removed

    def stage(self, *, token: str, priority: Priority, ids: Sequence[int], ttl_s: int) -> None:
        """RPUSH and EXPIRE."""
        key = self._keys.staging(token, priority)
        remaining = iter(ids)
        with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
            while chunk := list(islice(remaining, 1_000)):
                pipeline.rpush(key, *chunk)
            pipeline.expire(key, ttl_s)
            pipeline.execute()

    def publish(self, *, token: str, lengths: Mapping[Priority, int]) -> bool:
        """Run publish.lua."""
        pairs = [key for p in Priority for key in (self._keys.staging(token, p), self._keys.queue(p))]
        with errors_as_facts():
            return bool(
                script("publish").run(
                    self._client,
                    {"generation": self._keys.generation, "staged_and_queue": pairs},
                    {"token": token, "length": [lengths.get(priority, 0) for priority in Priority]},
                )
            )

    def drop_staged(self, *, token: str) -> None:
        """UNLINK."""
        with errors_as_facts():
            self._client.unlink(*(self._keys.staging(token, priority) for priority in Priority))

    def distrust(self) -> None:
        """DEL."""
        with errors_as_facts():
            self._client.delete(self._keys.generation)

    def wrong_key_types(self) -> Sequence[str]:
        """TYPE of each key; the held sets are found by SCAN."""
        with errors_as_facts():
            expected = self._expected_types()
            with self._client.pipeline(transaction=False) as pipeline:
                for key in expected:
                    pipeline.type(key)
                found = pipeline.execute()
        return [
            key for (key, wanted), actual in zip(expected.items(), found, strict=True) if actual not in {wanted, "none"}
        ]

    def repair_key_types(self) -> Sequence[str]:
        """Run set_aside.lua for each. The marker goes first: dying in between must not leave a trusted half."""
        wrong = self.wrong_key_types()
        expected = self._expected_types()
        if any(expected.get(key) != "set" for key in wrong):
            self.distrust()
        with errors_as_facts():
            return [
                key
                for key in wrong
                if script("set_aside").run(
                    self._client,
                    {"key": key, "aside": self._keys.aside(uuid4().hex)},
                    {"wanted_type": expected.get(key, "none"), "ttl_s": ASIDE_S},
                )
            ]

    def identity(self) -> str:
        """INFO: the process and the replication history."""
        with errors_as_facts():
            server, replication = self._client.info("server"), self._client.info("replication")
        return f"{server.get('run_id')}/{replication.get('master_replid')}"

    def _expected_types(self) -> dict[str, str]:
        keys = self._keys
        expected = dict.fromkeys(map(keys.queue, Priority), "list")
        expected |= {keys.claims: "zset", keys.generation: "string", keys.quarantine: "list"}
        return expected | dict.fromkeys(self._client.scan_iter(match=keys.held_pattern, count=1_000), "set")


def _parse(answer: object) -> SnapshotPage:
    """Read a page; the usual one, all canonical ids, without looking at each entry in Python."""
    entries = cast("list[str]", answer)
    try:
        ids = list(map(int, entries))
        if list(map(str, ids)) == entries and (not ids or (min(ids) > 0 and max(ids) < 2**63)):
            return SnapshotPage(entries=tuple(ids))
    except ValueError:
        pass
    parsed = [parse_id(entry) for entry in entries]
    poison = tuple(entry for entry, value in zip(entries, parsed, strict=True) if value is None)
    return SnapshotPage(entries=tuple(parsed), poison=poison)
