"""Dispatch's statements among many tickets, agents and events: each by an index, none through history."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, text

from service.domain.model import Priority
from service.store.dispatch import PostgresDispatch
from tests.integration.explaining import explained

AGENTS, WILLING, DONE, OPEN, EVENTS = 2_000, 50, 40_000, 30_000, 100_000

LOAD = (
    "SET LOCAL session_replication_role = replica",
    f"""INSERT INTO users (username, role, password_hash)
        SELECT 'agent' || n, 'agent', '!' FROM generate_series(1, {AGENTS}) AS n""",
    f"""INSERT INTO agents (id, level, auto_assign)
        SELECT id, CASE id % 2 WHEN 0 THEN 'senior' ELSE 'junior' END, id % {AGENTS // WILLING} = 0 FROM users""",
    f"""INSERT INTO tickets (subject, priority, status, agent_id, epoch)
        SELECT 'x', (ARRAY['low', 'medium', 'high'])[1 + n % 3], 'closed', 1 + n % {AGENTS}, 1
        FROM generate_series(1, {DONE}) AS n""",
    f"""INSERT INTO tickets (subject, priority)
        SELECT 'x', (ARRAY['low', 'medium', 'high'])[1 + n % 3] FROM generate_series(1, {OPEN}) AS n""",
    f"""INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)
        SELECT 1 + n % {DONE}, CASE n % 9 WHEN 0 THEN 'dispatch' ELSE 'close' END, 'open',
               CASE n % 9 WHEN 0 THEN 'assigned' ELSE 'closed' END, 1 + n % {AGENTS}, 1
        FROM generate_series(1, {EVENTS}) AS n""",
    "ANALYZE users, agents, tickets, ticket_events",
)

Look = Callable[[PostgresDispatch], object]

LOOKS: dict[str, tuple[Look, int]] = {
    "whether it is needed": (lambda store: store.is_needed(), 100),
    "what a round is planned on": (lambda store: store.board(), 3_000),
    "who takes part": (lambda store: store.takers(), 100),
    "the oldest": (lambda store: store.oldest({Priority.HIGH: 15}), 100),
    "how long some waited": (lambda store: store.waits(list(range(1, 16))), 400),
}
"""What is looked at, and how many pages that may take: two or three times what was seen."""


def test_dispatch_looks_at_few_pages(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in LOAD:
            connection.execute(text(statement))
    store = PostgresDispatch(engine)
    assert store.is_needed()
    for name, (look, buffers) in LOOKS.items():
        with explained(engine) as plans:
            look(store)
        told = "\n".join([name, *(plan.told() for plan in plans)])
        assert set().union(*(plan.scanned() for plan in plans)) <= {"agents"}, told
        assert sum(plan.buffers for plan in plans) <= buffers, told
