"""Traffic: agents, creators and admins as threads, seeded, bounded by count and by time."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from scripts.waiting import wait_until
from tests.faults.clients import TIMEOUT_S, Client, History
from tests.faults.sampler import Sampler
from tests.faults.stand import Stand
from tests.faults.template import Person

PRIORITIES = ("medium", "medium", "medium", "high", "low")
TRIES = 3
NOT_SIGNED_IN = 401
PAUSES_OUTSIDE = 20
"""Pauses before somebody who was not let in tries again."""

JOIN_S = 60.0


class Load:
    """Traffic on a stand while it is entered. Whatever the threads raise is raised again at the end."""

    def __init__(
        self,
        stand: Stand,
        *,
        agents: int = 6,
        creators: int = 2,
        admins: int = 0,
        seed: int = 0,
        think_s: float = 0.02,
        seconds: float = 90.0,
        operations: int = 20_000,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`think_s` is the longest pause between two requests of one client."""
        self.stand, self.history, self.sampler = stand, History(), Sampler(stand)
        self.windows: list[tuple[float, float]] = []
        self.ended_s = 0.0
        self._seed, self._think_s, self._seconds = seed, think_s, seconds
        self._operations, self._timeout_s = operations, timeout_s
        self._stopping = threading.Event()
        self._until = 0.0
        self._raised: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        people = stand.people
        for person in people.agents[:agents]:
            self._add(Agent(self._client(person)))
        for n in range(creators):
            self._add(Creator(self._client(people.admin), n))
        for _ in range(admins):
            self._add(Admin(self._client(people.admin), people.agents[:agents]))

    def _client(self, person: Person) -> Client:
        """Spread people over the web servers."""
        host, port = self.stand.web_addresses[person.id % len(self.stand.web_addresses)]
        return Client(port, person, self.history, timeout_s=self._timeout_s, host=host)

    def add(self, actor: Actor) -> None:
        """Let one more take part; before the traffic starts."""
        self._add(actor)

    def _add(self, actor: Actor) -> None:
        dice = random.Random(f"{self._seed}/{len(self._threads)}")
        self._threads.append(threading.Thread(target=self._run, args=(actor, dice), daemon=True))

    def _run(self, actor: Actor, dice: random.Random) -> None:
        try:
            while not self._is_over():
                actor.act(dice, self._pause)
        except BaseException as exc:  # noqa: BLE001 - shown where the traffic ends
            self._raised.append(exc)
        finally:
            actor.client.close()

    def _is_over(self) -> bool:
        return self._stopping.is_set() or time.monotonic() > self._until or self.history.count() >= self._operations

    def _pause(self, dice: random.Random) -> bool:
        """Think for a moment; say whether it goes on afterwards."""
        return not self._stopping.wait(dice.uniform(0, self._think_s))

    def __enter__(self) -> Self:
        self._until = time.monotonic() + self._seconds
        self.sampler.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_S)
        self.sampler.stop()
        self.ended_s = time.time()
        if kind is None and self._raised:
            raise self._raised[0]

    @contextlib.contextmanager
    def fault(self) -> Iterator[None]:
        """Mark the time in which something is broken."""
        began_s = time.time()
        try:
            yield
        finally:
            self.windows.append((began_s, time.time()))

    def pass_by(self, count: int, *, within_s: float = 20.0) -> None:
        """Wait until this many more operations have ended, however they ended, or the time is up."""
        self._await(lambda: self.history.count(), count, within_s)

    def acknowledge(self, count: int, *, within_s: float = 40.0) -> None:
        """Wait until this many more operations were acknowledged. Fails when the time is up."""
        served = self._await(lambda: self.history.count("ok"), count, within_s)
        assert served, f"fewer than {count} operations were acknowledged within {within_s} s"

    def go_on(self, seconds: float) -> None:
        """Let it last so long, or until one of the threads has raised something."""
        wait_until(lambda: bool(self._raised), seconds, pause_s=0.2)

    def _await(self, counted: Callable[[], int], more: int, within_s: float) -> bool:
        wanted = counted() + more
        return wait_until(lambda: counted() >= wanted or self._is_over() or bool(self._raised), within_s) and (
            counted() >= wanted
        )


Pause = Callable[[random.Random], bool]


class Actor(ABC):
    """One client's habits: `act` is called again and again."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @abstractmethod
    def act(self, dice: random.Random, pause: Pause) -> None:
        """Do something, and think about it."""


class Agent(Actor):
    """Fetch, then work a part of the hand: sell, resolve, release, start. Sign in again when the session is over."""

    def act(self, dice: random.Random, pause: Pause) -> None:
        body = {} if dice.random() < 0.7 else {"limit": dice.randint(1, 5)}
        operation, _ = self.client.do("fetch", "POST", "/api/tickets/fetch", body)
        if operation.status == NOT_SIGNED_IN and not self.client.sign_in():
            for _ in range(PAUSES_OUTSIDE):
                pause(dice)
        hand = list(operation.tickets) if operation.outcome == "ok" else []
        dice.shuffle(hand)
        for ticket_id in hand[: dice.randint(0, 6)]:
            if not pause(dice):
                return
            self._work(ticket_id, dice.random(), dice)
        pause(dice)

    def _work(self, ticket_id: int, chance: float, dice: random.Random) -> None:
        path = f"/api/tickets/{ticket_id}"
        if chance < 0.4:
            email = f"customer-{dice.randint(1, 40)}@example.com"
            body: object = {"customer": {"name": "A customer", "email": email}}
            self.client.do("sell", "POST", f"{path}/sell", body, ticket_id=ticket_id, about=email)
        elif chance < 0.65:
            self.client.do("resolve", "POST", f"{path}/resolve", {}, ticket_id=ticket_id)
        elif chance < 0.9:
            self.client.do("release", "POST", f"{path}/release", {"reason": "seeded"}, ticket_id=ticket_id)
        else:
            self.client.do("start", "POST", f"{path}/start", {}, ticket_id=ticket_id)


class Creator(Actor):
    """Create tickets of all priorities, each with a subject of its own.

    Every second creator sends a key with each, and repeats what was not answered: that must not make a second ticket.
    """

    def __init__(self, client: Client, number: int) -> None:
        super().__init__(client)
        self._number, self._made = number, 0

    def act(self, dice: random.Random, pause: Pause) -> None:
        self._made += 1
        subject = f"traffic {self._number}/{self._made}"
        body = {"subject": subject, "priority": dice.choice(PRIORITIES)}
        headers = {"Idempotency-Key": f"create {subject}"} if self._number % 2 else {}
        for _ in range(TRIES if headers else 1):
            operation, _ = self.client.do("create", "POST", "/api/tickets", body, about=subject, headers=headers)
            if operation.outcome != "unknown" or not pause(dice):
                break
        pause(dice)


class Admin(Actor):
    """Take tickets away, give them to others, delete some; send agents away, deactivate them and let them back in."""

    def __init__(self, client: Client, agents: tuple[Person, ...]) -> None:
        super().__init__(client)
        self._agents = agents

    def act(self, dice: random.Random, pause: Pause) -> None:
        _, page = self.client.do("list", "GET", "/api/tickets?status=assigned,in_progress,open&sort=-id&limit=30")
        items = page["items"] if isinstance(page, dict) and "items" in page else []
        dice.shuffle(items)
        for item in items[:4]:
            if not pause(dice):
                return
            self._meddle(item["id"], dice)
        self._trouble(dice.choice(self._agents), dice, pause)

    def _meddle(self, ticket_id: int, dice: random.Random) -> None:
        path, chance = f"/api/tickets/{ticket_id}", dice.random()
        if chance < 0.4:
            receiver = dice.choice(self._agents).id
            body = {"agent_id": receiver}
            self.client.do("assign", "POST", f"{path}/assign", body, ticket_id=ticket_id, about=str(receiver))
        elif chance < 0.6:
            self.client.do("return", "POST", f"{path}/return", {}, ticket_id=ticket_id)
        elif chance < 0.85:
            body = {"priority": dice.choice(PRIORITIES)}
            self.client.do("edit", "PATCH", path, body, ticket_id=ticket_id)
        else:
            self.client.do("delete", "DELETE", path, ticket_id=ticket_id)

    def _trouble(self, agent: Person, dice: random.Random, pause: Pause) -> None:
        path, chance = f"/api/agents/{agent.id}", dice.random()
        if chance < 0.3:
            self.client.do("return-all", "POST", f"{path}/return-tickets", {})
        elif chance < 0.5:
            self.client.do("away", "POST", f"{path}/availability", {"availability": "away"})
            pause(dice)
            self.client.do("available", "POST", f"{path}/availability", {"availability": "available"})
        elif chance < 0.7:
            self.client.do("deactivate", "PATCH", f"/api/users/{agent.id}", {"is_active": False})
            pause(dice)
            self.client.do("activate", "PATCH", f"/api/users/{agent.id}", {"is_active": True})
        pause(dice)
