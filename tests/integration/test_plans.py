"""Hot statements among 1,000,000 tickets: each finds its rows by an index and looks at a bounded number of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from service.domain.hold_limit import HoldLimit
from service.domain.model import Agent, Cause, Page, Priority, QueuedTicket, Taker, TicketStatus
from service.domain.retention import LEAST_ARCHIVE_DAYS
from service.domain.service_levels import DEFAULT_TARGETS, Targets
from service.store.archive import PostgresArchive
from service.store.assignments import PostgresAssignments
from service.store.backlog import PostgresBacklog
from service.store.desks import PostgresDesks
from service.store.engine import make_engine
from service.store.hold_limit import PostgresHoldLimit
from service.store.open_tickets import PostgresOpenTickets
from service.store.openings import OPENINGS
from service.store.places import PostgresPlaces
from service.store.sessions import PostgresSessions
from service.store.situations import PostgresSituations
from service.store.ticket_history import PostgresHistory
from service.store.tickets import PostgresTickets
from service.usecases.acts import sale
from service.usecases.archive import BATCH, DAY_S
from service.usecases.ports.backlog import COUNTED_AT_ONCE
from service.usecases.ports.explanation import AHEAD_LIMIT
from service.usecases.ports.paging import COUNT_LIMIT, PageRequest
from service.usecases.ports.tickets import Buyer, Supposed, TicketDraft, TicketFilter
from tests.integration.archiving import all_told
from tests.integration.explaining import explained
from tests.integration.million import AGENTS, FIRST_OPEN, HELD_BY_EACH, OPEN, REQUEUED, fill


@pytest.fixture(scope="module")
def big(database_url: str, worker_name: str) -> Iterator[Engine]:
    """A database of its own, made and filled once for this module."""
    url, name = make_url(database_url), f"fairdeal_plans_{worker_name}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    drop = text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    with admin.connect() as connection:
        connection.execute(drop)
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE fairdeal_template"))
    loading = create_engine(url.set(database=name), isolation_level="AUTOCOMMIT")
    with loading.connect() as connection:
        fill(connection)
    loading.dispose()
    engine = make_engine(
        url.set(database=name).render_as_string(hide_password=False),
        statement_timeout_ms=60_000,
        pool_size=2,
        application_name="fairdeal-tests",
    )
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(drop)
    admin.dispose()


Act = Callable[[Engine], object]

MEDIUM_IDS = range(FIRST_OPEN, FIRST_OPEN + 60)
POPPED = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in MEDIUM_IDS[:15]]
SENIOR, JUNIOR, WORKING, FETCHING = 2, 3, 7, 1_007
KIM = Buyer(name="Kim", email="kim7@example.com")


@dataclass(frozen=True)
class Bound:
    """What an act may look at: pages by all its statements together, and rows by each node of a plan."""

    act: Act
    buffers: int
    rows: int
    uses: str
    scans: frozenset[str] = frozenset()


def assignments(engine: Engine) -> PostgresAssignments:
    return PostgresAssignments(engine)


def first_of_hand(engine: Engine) -> int:
    return assignments(engine).hand(WORKING)[0].id


def pages(ask: Callable[[PageRequest], Page[Any]], *, sort: str, limit: int) -> None:
    """Ask for two pages, the second by the cursor of the first."""
    first = ask(PageRequest(sort=sort, limit=limit))
    if first.next is not None:
        ask(PageRequest(sort=sort, limit=limit, cursor=first.next))


def session(engine: Engine) -> object:
    """Read a principal; the ids of sessions are known to nobody, so the first is taken along the index."""
    with engine.connect() as connection:
        session_id = connection.execute(text("SELECT id FROM sessions ORDER BY id LIMIT 1")).scalar_one()
    return PostgresSessions(engine).principal(session_id)


def ahead(engine: Engine) -> object:
    """Claim for an agent of whom nothing has been read."""
    with engine.connect() as connection:
        of_agent = text("SELECT id FROM sessions WHERE user_id = :agent_id AND revoked_at IS NULL LIMIT 1")
        session_id = connection.execute(of_agent, {"agent_id": FETCHING}).scalar_one()
    agent = assignments(engine).agent(FETCHING)
    assert agent is not None
    supposed = Supposed(session_id=session_id, agent=taker(agent))
    return assignments(engine).claim(claim_id=uuid4(), agent_id=FETCHING, popped=POPPED, limit=3, supposed=supposed)


def taker(agent: Agent) -> Taker:
    return Taker(
        id=agent.id, level=agent.level, availability=agent.availability, is_active=agent.is_active,
        capacity=agent.capacity, held=agent.held,
    )  # fmt: skip


def openings(engine: Engine) -> None:
    """Open five fetches together."""
    with engine.connect() as connection:
        some = text(
            "SELECT id::text FROM sessions WHERE user_id >= :first AND revoked_at IS NULL ORDER BY user_id LIMIT 5"
        )
        literal = f"{{{','.join(connection.execute(some, {'first': WORKING}).scalars())}}}"
    OPENINGS.rows(engine, {"session_ids": literal})


def look(engine: Engine) -> object:
    """Look for news as an open desk does."""
    with engine.connect() as connection:
        of_agent = text("SELECT id FROM sessions WHERE user_id = :agent_id AND revoked_at IS NULL LIMIT 1")
        session_id = connection.execute(of_agent, {"agent_id": WORKING}).scalar_one()
    return PostgresDesks(engine).look(session_id, resolved=10)


def archive(engine: Engine) -> None:
    """Move two batches, the second from where the first ended. All have read everything."""
    all_told(engine)
    store = PostgresArchive(engine)
    first = store.move(older_than_s=LEAST_ARCHIVE_DAYS * DAY_S, after=None, limit=BATCH)
    assert store.move(older_than_s=LEAST_ARCHIVE_DAYS * DAY_S, after=first.last, limit=BATCH).moved == BATCH


# Bounds are some two or three times what was seen; walking a table or a wrong index costs 10,000 pages or more.
HOT = {
    "fetch what the queue popped": Bound(
        lambda engine: assignments(engine).claim(claim_id=uuid4(), agent_id=SENIOR, popped=POPPED, limit=3),
        600, 50, "tickets_pkey",
    ),
    "fetch what was popped before anybody looked": Bound(ahead, 900, 50, "sessions_pkey"),
    "fetch without a queue, senior": Bound(
        lambda engine: assignments(engine).claim_oldest(claim_id=uuid4(), agent_id=SENIOR + 2, limit=3),
        600, 50, "tickets_open_idx",
    ),
    "fetch without a queue, junior": Bound(
        lambda engine: assignments(engine).claim_oldest(claim_id=uuid4(), agent_id=JUNIOR, limit=3),
        600, 50, "tickets_open_idx",
    ),
    "history of an agent": Bound(
        lambda engine: pages(lambda asked: PostgresHistory(engine).of_agent(WORKING, asked), sort="-id", limit=20),
        300, 300, "ticket_events_agent_idx",
    ),
    "hand": Bound(lambda engine: assignments(engine).hand(WORKING), 40, 15, "tickets_held_idx"),
    "desk": Bound(lambda engine: PostgresDesks(engine).state(WORKING, resolved=10), 150, 40, "tickets_resolved_idx"),
    "look at a desk": Bound(look, 180, 120, "tickets_resolved_idx"),
    "agent": Bound(lambda engine: assignments(engine).agent(WORKING), 20, 1, "agents_pkey"),
    "claim by its id": Bound(lambda engine: assignments(engine).claimed_by(uuid4()), 20, 1, "claims_pkey"),
    "principal": Bound(session, 30, 1, "sessions_pkey"),
    "five openings": Bound(openings, 100, 5 * HELD_BY_EACH, "tickets_held_idx"),
    "create": Bound(
        lambda engine: PostgresTickets(engine).create([TicketDraft(subject="x")], actor_id=1, cause=Cause.CREATE),
        100, 1, "",
    ),
    "sell": Bound(
        lambda engine: assignments(engine).move_all([sale(WORKING, first_of_hand(engine), KIM)]),
        200, 15, "tickets_pkey",
    ),
    "sell a hand": Bound(
        lambda engine: assignments(engine).move_all(
            [sale(WORKING, ticket.id, KIM) for ticket in assignments(engine).hand(WORKING)]
        ),
        1_500, 50, "tickets_pkey",
    ),
    "return everything": Bound(
        lambda engine: assignments(engine).return_all(WORKING + 1, actor_id=None, cause=Cause.RETURN),
        400, 50, "tickets_held_idx",
    ),
    "first page of open tickets": Bound(
        lambda engine: next(PostgresOpenTickets(engine).open_pages(Priority.MEDIUM, size=1_000)),
        60, 1_000, "tickets_open_idx",
    ),
    "all pages of open tickets": Bound(
        # This table's tail is all open, a third of it low: there the primary key serves too, dropping two thirds.
        lambda engine: list(PostgresOpenTickets(engine).open_pages(Priority.LOW, size=10_000)),
        4_000, 30_000, "tickets_open_idx",  # by bitmap, as the statistics have it now and then: 2,600
    ),
    "changed in the last ten minutes": Bound(
        lambda engine: list(PostgresOpenTickets(engine).changed_pages(within_s=600, older_than_s=2, size=10_000)),
        200, 1_000, "tickets_open_changed_idx",
    ),
    "changed last": Bound(
        lambda engine: next(
            PostgresOpenTickets(engine).changed_pages(within_s=600, older_than_s=2, size=100, newest_first=True)
        ),
        100, 100, "tickets_open_changed_idx",
    ),
    "look a page of ids up": Bound(
        lambda engine: PostgresOpenTickets(engine).open_states(list(range(500_000, 501_000))),
        6_000, 1_000, "",
    ),
    "where one ticket is": Bound(
        lambda engine: PostgresPlaces(engine).places([FIRST_OPEN]), 20, 1, "tickets_unresolved_idx"
    ),
    "where a page of tickets is": Bound(
        lambda engine: PostgresPlaces(engine).places(list(range(500_000, 501_000))), 6_000, 1_000,
        "tickets_unresolved_idx",
    ),
    "whether a batch of an import is still open": Bound(
        lambda engine: PostgresPlaces(engine).all_open(range(FIRST_OPEN, FIRST_OPEN + 5_000), Priority.MEDIUM),
        30_000, 5_000, "tickets_unresolved_idx",
    ),
    "hands of a page of agents": Bound(
        lambda engine: PostgresOpenTickets(engine).held_by_each(list(range(101, 301))), 800, 5_000, "tickets_held_idx"
    ),
    "who has held what for too long": Bound(  # all that is in hand, and the last events of it
        lambda engine: PostgresHoldLimit(engine).due(HoldLimit(limit_s=3_600, warning_s=600)),
        120_000, 25_000, "tickets_held_idx", frozenset({"agents"}),
    ),
    "whether anything is due for the archive": Bound(
        lambda engine: PostgresArchive(engine).due(older_than_s=LEAST_ARCHIVE_DAYS * DAY_S, limit=1),
        20, 3, "tickets_archivable_idx",
    ),
    "two batches for the archive": Bound(  # some 25 pages for each ticket and its line
        archive, 25_000, 1_000, "tickets_archivable_idx", frozenset({"event_cursors"})
    ),
    "who holds how many": Bound(
        lambda engine: PostgresOpenTickets(engine).agents_holding(), 800, 25_000, "tickets_held_idx"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_finds_its_rows_by_an_index(big: Engine, name: str) -> None:
    bound = HOT[name]
    with explained(big) as plans:
        bound.act(big)
    told = "\n".join(plan.told() for plan in plans)
    assert set().union(*(plan.scanned() for plan in plans)) <= bound.scans, told
    assert sum(plan.buffers for plan in plans) <= bound.buffers, told
    assert max(plan.most_rows for plan in plans) <= bound.rows, told
    assert not bound.uses or any(bound.uses in plan.indexes() for plan in plans), told


OLDER = text("""
SELECT count(*) FROM tickets o, tickets t
WHERE t.id = :id AND o.id < t.id AND o.priority = t.priority AND o.status = 'open'
""")


def test_a_ticket_is_explained_by_a_bounded_count_of_those_ahead(big: Engine) -> None:
    asked = [FIRST_OPEN + 3_000, FIRST_OPEN + OPEN - 1]
    with big.connect() as connection:
        older = [connection.execute(OLDER, {"id": ticket_id}).scalar_one() for ticket_id in asked]
    with explained(big) as plans:
        found = [PostgresSituations(big).situation(ticket_id) for ticket_id in asked]
    assert [situation and situation.ahead for situation in found] == [older[0], AHEAD_LIMIT + 1]
    assert 900 < older[0] < AHEAD_LIMIT < older[1]
    for plan in plans:
        assert plan.scanned() <= {"agents"}, plan.told()
        assert "tickets_open_idx" in plan.indexes(), plan.told()
        assert plan.most_rows <= AHEAD_LIMIT + 1, plan.told()
        assert plan.buffers <= 600, plan.told()


def test_the_longest_wait_is_found_at_the_head_of_two_indexes(big: Engine) -> None:
    """Of those that came back, one entry; of the others the first, behind those that came back and are older."""
    with explained(big) as plans:
        PostgresBacklog(big).backlog()
    counts, oldest = plans[: len(Priority)], plans[len(Priority) :]
    for plan in counts:
        assert plan.indexes() == {"tickets_open_idx"}, plan.told()
        assert plan.most_rows <= COUNTED_AT_ONCE, plan.told()
        assert plan.buffers <= 500, plan.told()
    assert len(oldest) == len(Priority)
    for plan in oldest:
        assert plan.indexes() == {"tickets_open_idx", "tickets_requeued_idx"}, plan.told()
        assert plan.most_rows <= REQUEUED, plan.told()
        assert plan.buffers <= 200, plan.told()


def tickets(*, sort: str = "id", **wanted: object) -> Act:
    """List two pages, the second by the cursor of the first."""

    wish = TicketFilter(**wanted)  # type: ignore[arg-type]
    return lambda engine: pages(lambda asked: PostgresTickets(engine).page(wish, asked), sort=sort, limit=50)


LONG_AGO = {
    "created_after": datetime.now(UTC) - timedelta(days=5, minutes=20),
    "created_before": datetime.now(UTC) - timedelta(days=5),
}

LISTS = {
    "all": tickets(),
    "all, newest first": tickets(sort="-id"),
    "all, by age": tickets(sort="-created_at"),
    "all, by change": tickets(sort="updated_at"),
    "all, latest change first": tickets(sort="-updated_at"),
    "open, by age": tickets(sort="created_at", statuses=(TicketStatus.OPEN,)),
    "closed, by change": tickets(sort="updated_at", statuses=(TicketStatus.CLOSED,)),
    "high": tickets(priorities=(Priority.HIGH,)),
    "created long ago": tickets(**LONG_AGO),
    "created long ago, by change": tickets(sort="-updated_at", **LONG_AGO),
    "said by nobody": tickets(text="qqqqzz"),
    "said by nobody, latest change first": tickets(sort="-updated_at", text="qqqqzz"),
    "said by nobody in two letters": tickets(sort="-id", text="zq"),
    "said by all": tickets(text="i"),
    "said by nobody that is closed": tickets(text="qqqqzz", statuses=(TicketStatus.CLOSED,)),
    "said by nobody that is closed and high": tickets(
        sort="-updated_at", text="qqqqzz", statuses=(TicketStatus.CLOSED,), priorities=(Priority.HIGH,)
    ),
    "said by nobody that is open, by change": tickets(sort="updated_at", text="qqqqzz", statuses=(TicketStatus.OPEN,)),
    "closed, newest first": tickets(sort="-id", statuses=(TicketStatus.CLOSED,)),
    "closed, latest change first": tickets(sort="-updated_at", statuses=(TicketStatus.CLOSED,)),
    "done, newest first": tickets(sort="-id", statuses=(TicketStatus.CLOSED, TicketStatus.SOLD)),
    "in hand, by change": tickets(sort="updated_at", statuses=(TicketStatus.ASSIGNED,)),
    "overdue, by change": tickets(sort="updated_at", overdue=True),
    "overdue, latest change first": tickets(sort="-updated_at", overdue=True),
    "not overdue": tickets(overdue=False),
    "closed": tickets(statuses=(TicketStatus.CLOSED,)),
    "of an agent": tickets(agent_id=WORKING),
    "open": tickets(statuses=(TicketStatus.OPEN,)),
    "of an agent, held": tickets(agent_id=WORKING, statuses=(TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS)),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_tickets_stops_after_its_page_and_its_bounded_count(big: Engine, name: str) -> None:
    with explained(big) as plans:
        LISTS[name](big)
    assert plans
    for plan in plans:
        assert plan.most_rows <= 2 * COUNT_LIMIT + 100, plan.told()
        assert plan.buffers <= 2_000, plan.told()


NOTHING_IS_LATE = Targets(assign_s=dict.fromkeys(Priority, 10**8), resolve_s=dict.fromkeys(Priority, 10**8))


@pytest.mark.parametrize("targets", [DEFAULT_TARGETS, NOTHING_IS_LATE], ids=["many", "none"])
@pytest.mark.parametrize("statuses", [(), (TicketStatus.OPEN,)], ids=["all", "open"])
def test_what_is_overdue_is_looked_for_among_what_is_not_done_and_nowhere_else(
    big: Engine, targets: Targets, statuses: tuple[TicketStatus, ...]
) -> None:
    wish = TicketFilter(overdue=True, statuses=statuses)
    with explained(big) as plans:
        pages(lambda asked: PostgresTickets(big, targets=targets).page(wish, asked), sort="id", limit=50)
    assert plans
    for plan in plans:
        assert plan.scanned() == set(), plan.told()
        assert plan.indexes() <= {"tickets_unresolved_idx", "tickets_open_idx", "tickets_created_idx"}, plan.told()
        assert plan.most_rows <= 1.05 * (OPEN + AGENTS * HELD_BY_EACH), plan.told()
        assert plan.buffers <= 4_000, plan.told()
