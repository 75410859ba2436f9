"""The real service on real servers, with failpoints at every command and store call, and looks at its state."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any
from uuid import UUID

from redis import Redis
from sqlalchemy import Engine, select, text

from service.domain.errors import NotSignedIn
from service.domain.history import Replayed, replay
from service.domain.hold_limit import HoldLimit
from service.domain.model import Availability, Level, Priority, TicketStatus
from service.store.agents import PostgresAgents
from service.store.assignments import PostgresAssignments
from service.store.dispatch import PostgresDispatch
from service.store.hold_limit import PostgresHoldLimit
from service.store.invariants import PostgresInvariants
from service.store.leases import PostgresLeases
from service.store.open_tickets import PostgresOpenTickets
from service.store.places import PostgresPlaces
from service.store.reconciliations import PostgresReconciliations
from service.store.rows import EVENT_COLUMNS, event
from service.store.sessions import PostgresSessions
from service.store.tables import ticket_events
from service.store.ticket_history import PostgresHistory
from service.store.tickets import PostgresTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.breaker import CircuitBreaker
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.agents import Agents
from service.usecases.assignments import Assignments, Hand
from service.usecases.dealing import Dealer
from service.usecases.dispatch import Dispatcher
from service.usecases.history import History
from service.usecases.hold_limit import HoldLimits
from service.usecases.invariants import Invariants
from service.usecases.lifecycle import Lifecycle
from service.usecases.passwords import Passwords
from service.usecases.reconcile import Reconciler
from service.usecases.tickets import Tickets
from tests.emptying import empty
from tests.fakes.clock import FakeClock
from tests.integration.polling import poll, sign_in
from tests.integration.waiting import let_pass
from tests.property.failpoints import FailingStore, Failpoints, with_failpoints
from tests.property.model import TURNS_TO_LIMIT, TURNS_TO_WARNING, AgentState, TicketState

LEASE_S = 12.0
LONG_AGO_MS = 3_600_000
TURN_S = 100_000
"""A turn of the model: longer than any story takes."""
HOLD_LIMIT = HoldLimit(limit_s=TURNS_TO_LIMIT * TURN_S, warning_s=(TURNS_TO_LIMIT - TURNS_TO_WARNING) * TURN_S)

TICKETS = text("""
SELECT t.id, t.priority, t.status, t.agent_id, t.epoch, t.deleted_at IS NOT NULL AS deleted, c.email
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id ORDER BY t.id
""")
AGENTS = text("""
SELECT a.id, a.level, a.capacity, a.availability, a.auto_assign, a.held, a.is_active, u.is_active AS active,
       u.deleted_at IS NOT NULL AS deleted
FROM agents a JOIN users u ON u.id = a.id ORDER BY a.id
""")
HIRE_USER = text("INSERT INTO users (username, role, password_hash) VALUES (:name, 'agent', '!') RETURNING id")
HIRE_AGENT = text("INSERT INTO agents (id, level, capacity) VALUES (:id, :level, :capacity)")


class NoCalls:
    """Nobody is there to do a job."""

    def call(self, _: str) -> bool:
        return True

    def began(self, _: str) -> None:
        return


class World:
    """Everything wired as in production, but for clocks that a test moves and threads that would make it guess."""

    def __init__(self, engine: Engine, redis_url: str, keys: Keys) -> None:
        self.engine, self.keys = engine, keys
        self.failpoints = Failpoints()
        self.clock = FakeClock()
        self.redis = make_client(redis_url, timeout_ms=5_000)
        self._binary = Redis.from_url(redis_url, protocol=2)
        self._struck = with_failpoints(make_client(redis_url, timeout_ms=5_000), self.failpoints)
        queue = RedisTicketQueue(self._struck, keys, breaker=CircuitBreaker(clock=self.clock))
        audit = RedisQueueAudit(self._struck, keys)
        store = self._failing(PostgresAssignments(engine))
        places = self._failing(PostgresPlaces(engine))
        open_tickets = PostgresOpenTickets(engine)
        ticket_store = self._failing(PostgresTickets(engine))
        self.tickets = Tickets(store=ticket_store, queue=queue, places=places)
        self.assignments = Assignments(store=store, queue=queue, places=places)
        self.sessions = self._failing(PostgresSessions(engine))
        self.session_ids: dict[int, UUID] = {}
        self.lifecycle = Lifecycle(store=store, queue=queue, places=places)
        agent_store = self._failing(PostgresAgents(engine))
        self.agents = Agents(store=agent_store, queue=queue, places=places, passwords=Passwords())
        self.history = History(store=self._failing(PostgresHistory(engine)), tickets=ticket_store, agents=agent_store)
        self.hold_limits = HoldLimits(
            store=self._failing(PostgresHoldLimit(engine)), queue=queue, places=places, limit=HOLD_LIMIT
        )
        self.dispatcher = Dispatcher(
            store=self._failing(PostgresDispatch(engine)),
            assignments=store,
            dealer=Dealer(store=store, queue=queue, places=places),
            leases=self._failing(PostgresLeases(engine)),
            calls=NoCalls(),
            holder="test",
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.reconciler = Reconciler(
            queue=queue,
            audit=audit,
            open_tickets=self._failing(open_tickets),
            runs=self._failing(PostgresReconciliations(engine)),
            leases=self._failing(PostgresLeases(engine)),
            claim_lease_s=LEASE_S,
            grace_s=0,
            recent_s=3_600,
            page_size=7,
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.invariants = Invariants(
            store=PostgresInvariants(engine),
            open_tickets=open_tickets,
            audit=RedisQueueAudit(self.redis, keys),
            lease_s=LEASE_S,
            tick_s=2,
            gap_s=0,
            sleep=self.clock.sleep,
        )

    def _failing(self, store: object) -> Any:
        return FailingStore(store, self.failpoints)

    def empty(self) -> None:
        """Begin anew: nothing in PostgreSQL, an empty and trusted queue in Redis."""
        with self.engine.begin() as connection:
            empty(connection)
        self.redis.flushdb()
        self.redis.set(self.keys.generation, "1")

    def close(self) -> None:
        for client in (self.redis, self._binary, self._struck):
            client.close()

    def sql(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def hire(self, name: str, state: AgentState) -> int:
        with self.engine.begin() as connection:
            agent = int(connection.execute(HIRE_USER, {"name": name}).scalar_one())
            values = {"id": agent, "level": state.level.value, "capacity": state.capacity}
            connection.execute(HIRE_AGENT, values)
        self.sign_in(agent)
        return agent

    def sign_in(self, agent: int) -> None:
        """Open a session, which takes part in no failure."""
        self.session_ids[agent] = sign_in(self.engine, agent)

    def poll(self, agent: int) -> Hand:
        """Fetch as a client does who signs in again when their session is over."""
        try:
            return poll(self.assignments, self.sessions, self.session_ids[agent])
        except NotSignedIn:
            self.sign_in(agent)
            return poll(self.assignments, self.sessions, self.session_ids[agent])

    def as_stored(self) -> tuple[dict[int, TicketState], dict[int, AgentState], dict[int, int]]:
        """Read what PostgreSQL says: tickets, agents, and each agent's counter of held tickets."""
        with self.engine.connect() as connection:
            tickets = {
                row.id: TicketState(
                    priority=Priority(row.priority),
                    status=TicketStatus(row.status),
                    agent=row.agent_id,
                    epoch=row.epoch,
                    buyer=row.email,
                    deleted=row.deleted,
                )
                for row in connection.execute(TICKETS)
            }
            found = connection.execute(AGENTS).all()
        agents = {
            row.id: AgentState(
                level=Level(row.level),
                capacity=row.capacity,
                availability=Availability(row.availability),
                active=row.active,
                auto_assign=row.auto_assign,
                deleted=row.deleted,
            )
            for row in found
        }
        assert all(row.is_active == (row.active and not row.deleted) for row in found)
        return tickets, agents, {row.id: row.held for row in found}

    def replayed(self) -> dict[int, Replayed]:
        """Read each ticket's events, and follow them to what its row should be."""
        query = select(*EVENT_COLUMNS).order_by(ticket_events.c.ticket_id, ticket_events.c.id)
        with self.engine.connect() as connection:
            events = [event(row) for row in connection.execute(query).mappings()]
        return {ticket_id: replay(told) for ticket_id, told in groupby(events, key=lambda line: line.ticket_id)}

    def queued(self, priority: Priority) -> list[int]:
        return [int(entry) for entry in self.redis.lrange(self.keys.queue(priority), 0, -1)]

    def held_set(self, agent: int) -> set[int]:
        return {int(entry) for entry in self.redis.smembers(self.keys.held(agent))}

    def in_flight(self) -> set[int]:
        """Name the tickets of all claims in the ledger."""
        members = self.redis.zrange(self.keys.claims, 0, -1)
        return {int(item[1:]) for member in members for item in member.split("|")[2].split(",")}

    def remember(self) -> dict[bytes, bytes]:
        """Copy everything in Redis as a replica has it that falls behind from now on."""
        return {key: self._binary.dump(key) for key in self._binary.scan_iter()}

    def fail_over(self, copy: dict[bytes, bytes]) -> None:
        """Go on with an old copy of Redis."""
        self._binary.flushdb()
        for key, value in copy.items():
            self._binary.restore(key, 0, value)

    def age_claims(self) -> None:
        """Let an hour pass for the claims in flight."""
        if self.redis.type(self.keys.claims) == "zset":
            scored = self.redis.zrange(self.keys.claims, 0, -1, withscores=True)
            aged = {name: score - LONG_AGO_MS for name, score in scored}
            if aged:
                self.redis.zadd(self.keys.claims, aged)

    def let_a_turn_pass(self) -> None:
        """Let tickets lie where they are for so long."""
        let_pass(self.engine, TURN_S)

    def expire_leases(self) -> None:
        """Let the leases of dead processes run out."""
        self.sql("UPDATE leases SET expires_at = now() - interval '1 second'")

    def dump(self) -> dict[bytes, Any]:
        """Read everything in Redis, sets in some fixed order."""
        readers: dict[str, Callable[[str], Any]] = {
            "list": lambda key: self.redis.lrange(key, 0, -1),
            "set": lambda key: sorted(self.redis.smembers(key)),
            "zset": lambda key: self.redis.zrange(key, 0, -1, withscores=True),
            "string": self.redis.get,
            "hash": self.redis.hgetall,
        }
        return {key: readers[self.redis.type(key)](key) for key in sorted(self.redis.scan_iter())}
