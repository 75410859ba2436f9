"""Admins and agents after the same few tickets, in threads: when all is quiet, Redis says what PostgreSQL says."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.domain.errors import FairdealError, QueueUnavailable, StoreUnavailable
from service.domain.model import Priority, QueuedTicket, TicketStatus
from service.ticket_queue.confirmer import ConfirmingTicketQueue
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import Popped
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft
from tests.integration.desk import Desk, Make, MakeMany, check_agreement

ADMINS, AGENTS, TICKETS, ROUNDS, ACTS, LONGEST_DELAY_S = 3, 4, 30, 15, 5, 0.01
KIM = Buyer(name="Kim", email="kim@example.com")
IDS = text("SELECT id, status FROM tickets WHERE deleted_at IS NULL AND status <> 'sold' ORDER BY id")


class JitteryQueue(ConfirmingTicketQueue):
    """Delay some hints, and some answers to a pop, by a few milliseconds, so that hints overtake each other."""

    def __init__(self, client: Redis, keys: Keys, seed: int) -> None:
        super().__init__(client, keys)
        self._random, self._never = random.Random(seed), threading.Event()

    def _dawdle(self) -> None:
        if self._random.random() < 0.5:
            self._never.wait(self._random.random() * LONGEST_DELAY_S)

    def claim(self, **asked: object) -> Popped:  # type: ignore[override]
        popped = super().claim(**asked)  # type: ignore[arg-type]
        self._dawdle()
        return popped

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._dawdle()
        super().hold(agent_id, ticket_ids)

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._dawdle()
        super().unhold(agent_id, ticket_ids)

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        self._dawdle()
        return super().enqueue(tickets)

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        self._dawdle()
        return super().remove(tickets)


class Person(ABC):
    """Somebody who does one thing after the other, each chosen at random, and takes no for an answer."""

    def __init__(self, engine: Engine, desk: Desk, agents: list[int], seed: int) -> None:
        self.engine, self.desk, self.agents, self.random = engine, desk, agents, random.Random(seed)
        self.done = 0

    @abstractmethod
    def acts(self) -> list[Callable[[], object]]:
        """List what they do, to choose from."""

    def work(self, start: threading.Barrier) -> None:
        start.wait()
        for _ in range(ACTS):
            try:
                self.random.choice(self.acts())()
                self.done += 1
            except (QueueUnavailable, StoreUnavailable):
                raise
            except FairdealError:
                continue

    def any_ticket(self) -> int:
        with self.engine.connect() as connection:
            return self.random.choice([row.id for row in connection.execute(IDS)])

    def create(self) -> None:
        draft = TicketDraft(subject="x", priority=self.random.choice(list(Priority)))
        self.desk.tickets.create(draft, actor_id=None)


class Admin(Person):
    def acts(self) -> list[Callable[[], object]]:
        work, tickets = self.desk.lifecycle, self.desk.tickets
        pick = self.random.choice
        some = [
            lambda: work.assign(self.any_ticket(), agent_id=pick(self.agents), actor_id=None),
            lambda: work.return_one(self.any_ticket(), actor_id=None),
            lambda: tickets.update(self.any_ticket(), TicketChanges(priority=pick(list(Priority))), actor_id=None),
        ]
        rare = [
            lambda: self.desk.assignments.return_all(pick(self.agents), actor_id=None),
            lambda: work.reopen(self.any_ticket(), actor_id=None),
            lambda: (tickets.delete(self.any_ticket(), actor_id=None), self.create()),
        ]
        return [*3 * some, *rare]


class Agent(Person):
    def __init__(self, engine: Engine, desk: Desk, agents: list[int], seed: int, agent: int) -> None:
        super().__init__(engine, desk, agents, seed)
        self.agent = agent

    def mine(self, *statuses: TicketStatus) -> int:
        held = self.desk.assignments.held(self.agent).tickets
        ids = [ticket.id for ticket in held if not statuses or ticket.status in statuses]
        return self.random.choice(ids) if ids else self.any_ticket()

    def resolve_and_take_up_again(self) -> None:
        ticket_id = self.mine()
        self.desk.lifecycle.resolve(self.agent, ticket_id)
        self.desk.lifecycle.start(self.agent, ticket_id)

    def sell(self) -> None:
        self.desk.lifecycle.sell(self.agent, self.mine(), KIM)
        self.create()

    def acts(self) -> list[Callable[[], object]]:
        work, fetch = self.desk.lifecycle, self.desk.assignments.fetch
        some = [
            lambda: fetch(self.agent, limit=self.random.randint(1, 5)),
            lambda: work.release(self.agent, self.mine(), reason="lunch"),
        ]
        rare = [
            lambda: fetch(self.agent),
            lambda: work.start(self.agent, self.mine(TicketStatus.ASSIGNED)),
            lambda: work.resolve(self.agent, self.mine()),
            self.resolve_and_take_up_again,
            self.sell,
        ]
        return [*3 * some, *rare]


@pytest.mark.parametrize("seed", [1, 2])
def test_after_each_quarrel_over_the_same_tickets_queue_and_hands_are_exact(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_tickets: MakeMany,
    seed: int,
) -> None:
    agents = [make_agent(f"agent{n}", level="senior" if n % 2 else "junior") for n in range(AGENTS)]
    make_tickets(TICKETS)
    jittery = JitteryQueue(redis_client, keys, seed)
    desk = Desk(engine, jittery)
    people: list[Person] = [Admin(engine, desk, agents, 100 * seed + n) for n in range(ADMINS)]
    people += [Agent(engine, desk, agents, 100 * seed + 50 + n, agent) for n, agent in enumerate(agents)]
    with ThreadPoolExecutor(len(people)) as pool:
        for number in range(ROUNDS):
            start = threading.Barrier(len(people))
            for future in [pool.submit(each.work, start) for each in people]:
                future.result()
            assert wait_until(lambda: redis_client.zcard(keys.claims) == 0, 10), number
            check_agreement(engine, redis_client, keys, when=number)
    jittery.close()
    assert sum(each.done for each in people) > ROUNDS * ACTS, "most of what was tried was refused"
