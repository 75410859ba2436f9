"""What the reconciler's tests share: one on real servers whose waits take no time, and looks at the state."""

from __future__ import annotations

from typing import Any

from redis import Redis
from sqlalchemy import Engine, text

from service.domain.model import Priority, QueuedTicket
from service.store.leases import PostgresLeases
from service.store.open_tickets import PostgresOpenTickets
from service.store.reconciliations import PostgresReconciliations
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.reconcile import Reconciliation, Tier
from service.usecases.reconcile import Reconciler
from tests.fakes.clock import FakeClock

MEDIUM = Priority.MEDIUM


class World:
    """A database, a queue, and a reconciler between them."""

    def __init__(self, engine: Engine, client: Redis, keys: Keys) -> None:
        self.engine = engine
        self.client = client
        self.keys = keys
        self.clock = FakeClock()
        self.queue = RedisTicketQueue(client, keys)
        self.audit = RedisQueueAudit(client, keys)
        self.open_tickets = PostgresOpenTickets(engine)
        self.runs = PostgresReconciliations(engine)
        self.leases = PostgresLeases(engine)

    def reconciler(self, **changes: Any) -> Reconciler:
        """Wire a reconciler; the tests' tickets are new, so there is no grace unless a test asks for it."""
        parts: dict[str, Any] = {
            "queue": self.queue,
            "audit": self.audit,
            "open_tickets": self.open_tickets,
            "runs": self.runs,
            "leases": self.leases,
            "claim_lease_s": 12,
            "grace_s": 0,
            "recent_s": 600,
            "page_size": 50,
            "clock": self.clock,
            "sleep": self.clock.sleep,
        }
        return Reconciler(**parts | changes)

    def full(self, **options: Any) -> Reconciliation:
        return self.reconciler().run(**{"tier": Tier.FULL, "trigger": "test"} | options)

    def fast(self, **options: Any) -> Reconciliation:
        return self.reconciler().run(**{"tier": Tier.FAST, "trigger": "test"} | options)

    def entries(self, priority: Priority = MEDIUM) -> list[str]:
        return list(self.client.lrange(self.keys.queue(priority), 0, -1))

    def queued(self, priority: Priority = MEDIUM) -> list[int]:
        return [int(entry) for entry in self.entries(priority)]

    def opened(self, priority: Priority = MEDIUM) -> list[int]:
        return [ticket_id for page in self.open_tickets.open_pages(priority, size=1_000) for ticket_id in page]

    def check_in_line(self) -> None:
        """Assert I5 and I6: the queues are the open tickets, the held sets are the hands."""
        for priority in Priority:
            queued, opened = self.queued(priority), self.opened(priority)
            assert queued == opened, (priority, set(queued) ^ set(opened), len(queued), len(opened))
        for agent in {*self.audit.held_agents(), *self.open_tickets.agents_holding()}:
            held = self.client.smembers(self.keys.held(agent))
            assert held == {str(ticket_id) for ticket_id in self.open_tickets.held_by(agent)}

    def sql(self, statement: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else result.rowcount

    def assign(self, agent_id: int, *ids: int, hold: bool = True) -> None:
        """Give tickets to an agent behind the queue's back."""
        self.sql(
            "UPDATE tickets SET status = 'assigned', agent_id = :agent_id, epoch = epoch + 1, updated_at = now()"
            " WHERE id = ANY (:ids)",
            agent_id=agent_id,
            ids=list(ids),
        )
        if hold:
            self.queue.hold(agent_id, ids)

    def reopen(self, *ids: int) -> None:
        """Take tickets back behind the queue's back."""
        self.sql(
            "UPDATE tickets SET status = 'open', agent_id = NULL, epoch = epoch + 1, updated_at = now()"
            " WHERE id = ANY (:ids)",
            ids=list(ids),
        )

    def dump(self) -> dict[str, Any]:
        """Read everything there is on both sides, records of runs and leases aside."""
        redis = {key: self._value(key) for key in sorted(self.client.scan_iter())}
        tables = ("tickets", "ticket_events", "agents", "claims")
        rows = {table: self.sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables}
        return {"redis": redis, **rows}

    def _value(self, key: str) -> Any:
        match self.client.type(key):
            case "list":
                return self.client.lrange(key, 0, -1)
            case "set":
                return sorted(self.client.smembers(key))
            case "zset":
                return self.client.zrange(key, 0, -1, withscores=True)
            case "string":
                return self.client.get(key)
            case other:
                raise AssertionError(f"{key} is a {other}")


def tickets(*ids: int, priority: Priority = MEDIUM) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]
