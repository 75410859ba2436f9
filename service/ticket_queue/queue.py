"""The ticket queue on Redis: see `service.usecases.ports.queue.TicketQueue` for what each method promises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from uuid import UUID, uuid4

from redis import Redis

from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.breaker import CircuitBreaker
from service.ticket_queue.client import ERRORS_AS_FACTS
from service.ticket_queue.keys import LETTERS, Keys, claim_member, parse_id, unpack
from service.ticket_queue.ledger import read_claim
from service.ticket_queue.scripts import script
from service.usecases.ports.queue import HandHint, Popped

REPLY_TTL_S = 60
"""How long a claim's answer is kept for a repeated call."""

BATCH = 500
"""Ids handed to one script call: it holds everybody up while it runs."""

NO_BOUND = 2**53
"""More entries than any queue has."""

MAX_SCAN = 20_000
"""How far from either end of a queue an id is still removed on the request path: that takes the server 0.4 ms."""

MOVED_AT_ONCE = 100
"""Ids moved from queue to queue in one transaction: each is looked for and walked to twice."""

MAX_CLAIMS = 5_000
"""Claims in flight looked through at the most; there are as many as requests being served."""


class _Calls:
    """What every call to the server passes through: the circuit breaker, and our own errors for theirs."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._breaker.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._breaker.__exit__(kind, error, traceback)
        if error is not None:
            ERRORS_AS_FACTS.__exit__(kind, error, traceback)


class RedisTicketQueue:
    """Keep the queue on a Redis or Valkey server (6.2 or later), by scripts alone."""

    def __init__(self, client: Redis, keys: Keys, *, breaker: CircuitBreaker | None = None) -> None:
        self._client = client
        self._keys = keys
        self._breaker = breaker or CircuitBreaker()
        self._calls = _Calls(self._breaker)
        self._lines = {priority: keys.queue(priority) for priority in Priority}
        self._claims_keys = {  # of all claims alike, and written once: a claim is on the way of every fetch
            "generation": keys.generation,
            "claims": keys.claims,
            "quarantine": keys.quarantine,
            "inversions": keys.inversions,
        }

    @property
    def is_cut_off(self) -> bool:
        """Say whether Redis is not being asked, as it has failed this process."""
        return self._breaker.is_open

    def _calling(self) -> _Calls:
        """Wrap one call to the server. Raises `QueueUnavailable` for whatever goes wrong."""
        return self._calls

    def claim(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        wanted: int,
        capacity: int,
        priorities: Sequence[Priority],
        limits: Mapping[Priority, int] | None = None,
        repeatable: bool = True,
    ) -> Popped:
        """Run claim.lua."""
        keys, name = self._keys, str(claim_id)
        with self._calls:
            trusted, short, packed = script("claim").run(
                self._client,
                {
                    **self._claims_keys,
                    "held": keys.held(agent_id),
                    "reply": keys.reply(name),
                    "queue": [self._lines[priority] for priority in priorities],
                },
                {
                    "claim_id": name,
                    "agent_id": agent_id,
                    "wanted": wanted,
                    "capacity": capacity,
                    "reply_ttl_s": REPLY_TTL_S if repeatable else 0,
                    "letter_and_limit": [
                        f"{LETTERS[priority]}{wanted if limits is None else limits.get(priority, 0)}"
                        for priority in priorities
                    ],
                },
            )
        return Popped(
            claim_id=claim_id,
            agent_id=agent_id,
            tickets=unpack(packed),
            trusted=bool(trusted),
            short=short,
            token=claim_member(name, agent_id, packed),
        )

    def settle(self, popped: Popped, *, forget: bool = False) -> None:
        """ZREM; with `forget`, run end_claim.lua."""
        with self._calling():
            if forget:
                keys = {"claims": self._keys.claims, "reply": self._keys.reply(popped.claim_id)}
                script("end_claim").run(self._client, keys, {"member": popped.token})
            else:
                self._client.zrem(self._keys.claims, popped.token)

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        """Run enqueue.lua, a batch at a time, ascending."""
        inserted = 0
        with self._calling():
            for priority, ids in in_batches(tickets):
                answer, *_ = script("enqueue").run(
                    self._client,
                    {"generation": self._keys.generation, "queue": self._keys.queue(priority)},
                    {"max_walk": NO_BOUND, "budget": NO_BOUND, "id": ids},
                )
                if answer < 0:
                    return inserted
                inserted += answer
        return inserted

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        """Run remove.lua, a batch at a time."""
        removed = 0
        with self._calling():
            for priority, ids in in_batches(tickets):
                _, gone, _ = script("remove").run(
                    self._client,
                    {"queue": self._keys.queue(priority)},
                    {"max_walk": MAX_SCAN, "budget": NO_BOUND, "id": ids},
                )
                removed += len(gone)
        return removed

    def move(self, leaving: Sequence[QueuedTicket], entering: Sequence[QueuedTicket]) -> None:
        """Run remove.lua and enqueue.lua in one transaction, a batch at a time."""
        priorities = {ticket.id: ticket.priority for ticket in entering}
        ways: dict[Priority, list[QueuedTicket]] = defaultdict(list)
        for ticket in leaving:
            ways[priorities[ticket.id]].append(ticket)
        with self._calling():
            for to, tickets in ways.items():
                for priority, ids in in_batches(tickets, size=MOVED_AT_ONCE):
                    self._move(ids, priority, to)

    def _move(self, ids: list[int], priority: Priority, to: Priority) -> None:
        queue, entered = self._keys.queue(priority), self._keys.queue(to)
        with self._client.pipeline(transaction=True) as pipeline:
            script("remove").add_to(pipeline, {"queue": queue}, {"max_walk": MAX_SCAN, "budget": NO_BOUND, "id": ids})
            script("enqueue").add_to(
                pipeline,
                {"generation": self._keys.generation, "queue": entered},
                {"max_walk": NO_BOUND, "budget": NO_BOUND, "id": ids},
            )
            pipeline.execute()

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        """SADD."""
        ids = list(ticket_ids)
        if ids:
            with self._calling():
                self._client.sadd(self._keys.held(agent_id), *ids)

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        """SREM."""
        ids = list(ticket_ids)
        if ids:
            with self._calling():
                self._client.srem(self._keys.held(agent_id), *ids)

    def hand(self, agent_id: int) -> HandHint:
        """Run hand.lua."""
        with self._calling():
            entries, members, ages_ms = script("hand").run(
                self._client,
                {"held": self._keys.held(agent_id), "claims": self._keys.claims},
                {"agent_id": agent_id, "max_claims": MAX_CLAIMS},
            )
        claims = [read_claim(member, age_s=age_ms / 1_000) for member, age_ms in zip(members, ages_ms, strict=True)]
        return HandHint(
            settled=frozenset(ticket_id for entry in entries if (ticket_id := parse_id(entry)) is not None),
            claims=tuple(claim for claim in claims if claim is not None),
        )

    def depths(self) -> Mapping[Priority, int]:
        """LLEN of each queue."""
        with self._calling():
            return {priority: int(self._client.llen(self._keys.queue(priority))) for priority in Priority}

    def inversions(self) -> int:
        """GET of the counter that claim.lua keeps; what is no number, it will replace."""
        with self._calling():
            return parse_id(str(self._client.get(self._keys.inversions))) or 0

    def is_trusted(self) -> bool:
        """EXISTS of the generation marker."""
        with self._calling():
            return bool(self._client.exists(self._keys.generation))

    def probe(self) -> None:
        """Run claim.lua for nobody, wanting nothing: the whole way, and no effect."""
        self.claim(claim_id=uuid4(), agent_id=0, wanted=0, capacity=1, priorities=tuple(Priority))


def in_batches(tickets: Iterable[QueuedTicket], *, size: int = BATCH) -> Iterator[tuple[Priority, list[int]]]:
    """Sort tickets into their queues, ascending, and cut them into batches."""
    by_priority: dict[Priority, set[int]] = defaultdict(set)
    for ticket in tickets:
        by_priority[ticket.priority].add(ticket.id)
    for priority, ids in by_priority.items():
        remaining = iter(sorted(ids))
        while batch := list(islice(remaining, size)):
            yield priority, batch
