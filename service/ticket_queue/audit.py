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
from service.ticket_queue.queue import BATCH, in_batches
from service.ticket_queue.scripts import script
from service.usecases.ports.queue import Repaired, SnapshotPage

MAX_WALK = 50_000
"""How far from either end of a queue an id is put in or taken out: a walk over so many entries takes 1 to 2 ms."""

BUDGET = 40_000
"""Entries walked over by one call, after which it looks at no further id: everybody else waits for a script."""

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
        keys = self._keys
        pairs = [key for p in Priority for key in (keys.queue(p), keys.snapshot(token, p))]
        pairs += [keys.claims, keys.claims_snapshot(token)]
        with errors_as_facts():
            *lengths, _ = script("snapshot").run(self._client, {"live_and_copy": pairs}, {"ttl_s": ttl_s})
        return dict(zip(Priority, lengths, strict=True))

    def snapshot_page(self, *, token: str, priority: Priority, offset: int, count: int) -> SnapshotPage:
        """LRANGE, and parse."""
        key = self._keys.snapshot(token, priority)
        with errors_as_facts():
            return _parse(self._client.lrange(key, offset, offset + count - 1))

    def snapshot_claimed(self, *, token: str) -> frozenset[int]:
        """Walk the copy of the ledger."""
        return self._claimed_in(self._keys.claims_snapshot(token))

    def drop_snapshot(self, *, token: str) -> None:
        """UNLINK."""
        keys = [self._keys.snapshot(token, priority) for priority in Priority]
        with errors_as_facts():
            self._client.unlink(*keys, self._keys.claims_snapshot(token))

    def not_queued(self, priority: Priority, ids: Sequence[int]) -> list[int]:
        """Run not_queued.lua, as often as its budget makes it."""
        absent: list[int] = []
        queue = {"queue": self._keys.queue(priority)}
        with errors_as_facts():
            left = 0
            while left < len(ids):
                some = ids[left : left + BATCH]
                looked_at, *missing = script("not_queued").run(self._client, queue, {"budget": BUDGET, "id": some})
                absent.extend(map(int, missing))
                left += looked_at
        return absent

    def queued(self, tickets: Sequence[QueuedTicket]) -> frozenset[int]:
        """Ask for those that are not."""
        found: set[int] = set()
        for priority, ids in in_batches(tickets):
            found.update(ids)
            found.difference_update(self.not_queued(priority, ids))
        return frozenset(found)

    def first(self, priority: Priority, *, count: int) -> tuple[int, ...]:
        """LRANGE from the head; poison is left out."""
        with errors_as_facts():
            page = _parse(self._client.lrange(self._keys.queue(priority), 0, count - 1))
        return tuple(entry for entry in page.entries if entry is not None)

    def put_in(self, tickets: Sequence[QueuedTicket]) -> Repaired:
        """Run enqueue.lua, as often as its budget makes it; nothing is done while the queue is not trusted."""
        count, deep = 0, list[QueuedTicket]()
        with errors_as_facts():
            for priority, ids in in_batches(tickets):
                keys = {"generation": self._keys.generation, "queue": self._keys.queue(priority)}
                while ids:
                    inserted, looked_at, *left = script("enqueue").run(self._client, keys, _bounded(ids))
                    if inserted < 0:
                        return Repaired(count=count, deep=tuple(deep))
                    count += inserted
                    deep += [QueuedTicket(int(ticket_id), priority) for ticket_id in left]
                    ids = ids[looked_at:]
        return Repaired(count=count, deep=tuple(deep))

    def take_out(self, tickets: Sequence[QueuedTicket]) -> Repaired:
        """Run remove.lua, as often as its budget makes it."""
        gone, deep = set[int](), list[QueuedTicket]()
        with errors_as_facts():
            for priority, ids in in_batches(tickets):
                keys = {"queue": self._keys.queue(priority)}
                while ids:
                    looked_at, removed, left = script("remove").run(self._client, keys, _bounded(ids))
                    gone.update(map(int, removed))
                    deep += [QueuedTicket(int(ticket_id), priority) for ticket_id in left]
                    ids = ids[looked_at:]
        return Repaired(ids=frozenset(gone), count=len(gone), deep=tuple(deep))

    def quarantine(self, entries: Sequence[str]) -> None:
        """RPUSH and LTRIM."""
        if entries:
            with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
                pipeline.rpush(self._keys.quarantine, *entries[-QUARANTINE_LIMIT:])
                pipeline.ltrim(self._keys.quarantine, -QUARANTINE_LIMIT, -1)
                pipeline.execute()

    def stage(self, *, token: str, priority: Priority, ids: Sequence[int], ttl_s: int) -> None:
        """RPUSH and EXPIRE."""
        key = self._keys.staging(token, priority)
        remaining = iter(ids)
        with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
            while chunk := list(islice(remaining, 1_000)):
                pipeline.rpush(key, *chunk)
            pipeline.expire(key, ttl_s)
            pipeline.execute()

    def staged_first(self, *, token: str, priority: Priority, count: int) -> tuple[int, ...]:
        """LRANGE from the head."""
        with errors_as_facts():
            page = _parse(self._client.lrange(self._keys.staging(token, priority), 0, count - 1))
        return tuple(entry for entry in page.entries if entry is not None)

    def restage_first(self, *, token: str, priority: Priority, count: int, ids: Sequence[int], ttl_s: int) -> None:
        """LTRIM and LPUSH, in one transaction, and EXPIRE: a list that was trimmed to nothing is another one."""
        key = self._keys.staging(token, priority)
        with errors_as_facts(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.ltrim(key, count, -1)
            if ids:
                pipeline.lpush(key, *reversed(ids))
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
        expected = self._expected_types()
        with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
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
        with errors_as_facts():
            return expected | dict.fromkeys(self._client.scan_iter(match=keys.held_pattern, count=1_000), "set")


def _bounded(ids: list[int]) -> dict[str, int | list[int]]:
    return {"max_walk": MAX_WALK, "budget": BUDGET, "id": ids}


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
