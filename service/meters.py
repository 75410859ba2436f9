"""What a process measures of its own work: the steps of a deal, its pools, its circuit breaker.

Each web process writes to files that all of them share (`service.gunicorn_conf`); where that is not so, the metrics
stay in the process and go when it does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector
from prometheus_client.values import ValueClass

STEP_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

LOOK_EVERY_S = 2.0
"""Pause between two looks at the pools and the breaker: their states are looked at, so that requests need not tell."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """The connections of a pool: lent, lying ready, and the most there can be."""

    in_use: int
    idle: int
    most: int


class Meters:
    """Measure one process. `pop`, `commit`, `commit_without_queue` and `confirm` take seconds, bound once."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        pop = self._histogram("pop", "Time to pop ids from the queue, by claim.lua")
        confirm = self._histogram("confirm", "Time to strike a batch of settled claims off the ledger, off the request")
        commit = self._histogram("commit", "Time of the arbiter's statement, by what fed it", ["served_by"])
        self.pop: Callable[[float], None] = pop.observe
        self.confirm: Callable[[float], None] = confirm.observe
        self.commit: Callable[[float], None] = commit.labels("queue").observe
        self.commit_without_queue: Callable[[float], None] = commit.labels("database").observe
        self._pools = Gauge(
            "fairdeal_database_pool_connections", "Connections to PostgreSQL of all web processes, as last looked at",
            ["pool", "state"], registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._most = Gauge(
            "fairdeal_database_pool_limit", "Connections to PostgreSQL that the web processes may have",
            ["pool"], registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._cut_off = Gauge(
            "fairdeal_breaker_open", "Web processes that do not ask Redis, as it has failed them",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        reads = Counter(
            "fairdeal_list_reads",
            "Lists, searches and charts read, by who answered",
            ["server"],
            registry=self.registry,
        )
        self.list_read: Callable[[str], None] = lambda server: reads.labels(server).inc()
        self._looks: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def _histogram(self, step: str, about: str, labels: Sequence[str] = ()) -> Histogram:
        return Histogram(f"fairdeal_{step}_seconds", about, labels, registry=self.registry, buckets=STEP_BUCKETS_S)

    def watch(self, *, pools: Mapping[str, Callable[[], PoolUse]], is_cut_off: Callable[[], bool]) -> None:
        """Say what `look` is to look at."""
        for name, use in pools.items():
            self._looks.append(lambda name=name, use=use: self._show(name, use()))  # type: ignore[misc]
        self._looks.append(lambda: self._cut_off.set(is_cut_off()))

    def _show(self, pool: str, use: PoolUse) -> None:
        self._pools.labels(pool, "in_use").set(use.in_use)
        self._pools.labels(pool, "idle").set(use.idle)
        self._most.labels(pool).set(use.most)

    def look(self) -> None:
        """Look at what is watched, now."""
        for look in self._looks:
            look()

    def keep_looking(self) -> None:
        """Look from time to time, by a thread of this process: the others' scrapes cannot look into it."""
        self._thread = threading.Thread(target=self._run, name="meters", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            self.look()
            self._closing.wait(LOOK_EVERY_S)

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def collectors(self) -> Sequence[Collector]:
        """Name what a scrape must add: nothing where the processes share files, in which all of this stands already."""
        return () if ValueClass._multiprocess else (self.registry,)
