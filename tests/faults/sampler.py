"""Look at the state again and again while things break: nobody above the cap, the queue in order."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import psycopg2
from redis import Redis, RedisError

from service.domain.model import Priority
from service.ticket_queue.client import make_client
from tests.faults.stand import Stand

PAUSE_S = 0.05
ENTRIES = 2_000
"""Entries of a queue that are read: a look at a million would keep everybody waiting."""

SAMPLE_TIMEOUT_MS = 500

HANDS = """
SELECT a.id, a.capacity, count(t.id) AS counted
FROM agents a JOIN tickets t ON t.agent_id = a.id AND t.status IN ('assigned', 'in_progress') AND t.deleted_at IS NULL
GROUP BY a.id
"""


class Sampler:
    """A thread that reads PostgreSQL and Redis directly; what is away is looked at again later."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.hands_seen = self.queues_seen = 0
        self.largest_hand = 0
        self.above_cap: list[str] = []
        self.out_of_order: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._connection: Any = None
        self._redis: Redis | None = None

    def start(self) -> None:
        self._redis = make_client(self._stand.settings.redis_url, timeout_ms=SAMPLE_TIMEOUT_MS, keys=self._stand.keys)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        assert self._redis is not None
        try:
            while not self._stopping.wait(PAUSE_S):
                self._look_at_hands()
                self._look_at_queues(self._redis)
        finally:
            self._hang_up()
            self._redis.close()

    def _look_at_hands(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._stand.connect()
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {SAMPLE_TIMEOUT_MS}")
                cursor.execute(HANDS)
                rows = cursor.fetchall()
        except psycopg2.Error:
            self._hang_up()
            return
        self.hands_seen += 1
        for row in rows:
            self.largest_hand = max(self.largest_hand, row.counted)
            if row.counted > row.capacity:
                self.above_cap.append(f"agent {row.id} held {row.counted} of {row.capacity}")

    def _look_at_queues(self, client: Redis) -> None:
        for priority in Priority:
            try:
                entries = list(client.lrange(self._stand.keys.queue(priority), 0, ENTRIES - 1))  # type: ignore[arg-type]
            except (RedisError, OSError):
                return
            numbers = [int(entry) for entry in entries if entry.isdecimal()]
            for before, after in pairwise(numbers):
                if before >= after:
                    self.out_of_order.append(f"{priority}: {after} stood behind {before}")
                    break
        self.queues_seen += 1

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
