"""What the reconciler must not do: change anything in a dry run, lose a ticket in a race, work beside another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.errors import NotFound
from service.domain.model import Priority, QueuedTicket
from service.store.leases import PostgresLeases
from service.store.open_tickets import PostgresOpenTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys, claim_member
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import Repaired
from service.usecases.ports.reconcile import Lease, OpenTicket, RunRequest, RunStatus, Tier
from service.usecases.reconciliation.second_look import SecondLook
from tests.integration.reconciling import MEDIUM, World, tickets

MakeTickets = Callable[..., list[int]]
MakeAgent = Callable[..., int]


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


def plant_everything(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> list[int]:
    ids = make_tickets(200)
    ann = make_agent()
    queue = world.keys.queue(MEDIUM)
    world.client.lrem(queue, 0, ids[5])
    world.assign(ann, ids[100], hold=False)
    world.client.rpush(queue, ids[20], "poison")
    world.client.zadd(world.keys.claims, {claim_member(uuid4(), ann, "m3"): 1, "broken": 5})
    return ids


def test_a_dry_run_reports_and_changes_nothing(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    plant_everything(world, make_tickets, make_agent)
    before = world.dump()
    run = world.full(dry_run=True)
    assert run.status is RunStatus.DONE
    assert run.confirmed == {
        "missing": 1, "phantom": 1, "duplicate": 1, "stale_claim": 1, "wrong_held": 1, "poison": 2
    }  # fmt: skip
    assert run.repaired == {}
    assert world.dump() == before
    assert world.fast(dry_run=True).repaired == {}
    assert world.dump() == before


def test_a_dry_run_does_not_rebuild(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(20)
    world.client.flushdb()
    before = world.dump()
    run = world.full(dry_run=True)
    assert run.confirmed == {"untrusted": 1}
    assert world.dump() == before


def test_a_dry_run_leaves_keys_of_a_wrong_type_alone(world: World) -> None:
    world.client.set(world.keys.claims, "x")
    before = world.dump()
    assert world.full(dry_run=True).confirmed == {"poison": 1}
    assert world.dump() == before


class RacingAudit(RedisQueueAudit):
    """An audit that lets something happen right after it has taken tickets out, or right before."""

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None

    def take_out(self, tickets: Sequence[QueuedTicket]) -> Repaired:
        if self.before is not None:
            self.before()
        done = super().take_out(tickets)
        if self.after is not None:
            self.after()
        return done


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_phantom_that_is_given_back_meanwhile_is_not_lost(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent, moment: str
) -> None:
    ids = make_tickets(50)
    ann = make_agent()
    world.assign(ann, ids[20])
    audit = RacingAudit(world.client, world.keys)

    def give_back() -> None:
        """Release as a request does: PostgreSQL first, then the queue, which may be too early or too late."""
        world.reopen(ids[20])
        world.queue.unhold(ann, [ids[20]])
        if moment == "before":
            world.queue.enqueue(tickets(ids[20]))

    setattr(audit, moment, give_back)
    world.reconciler(audit=audit).run(tier="full", trigger="test")
    assert world.queued() == ids


def test_a_ticket_taken_while_it_looked_missing_is_no_drift(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(50)
    ann = make_agent()
    world.client.lrem(world.keys.queue(MEDIUM), 0, ids[20])
    world.clock.meanwhile = lambda: world.assign(ann, ids[20])
    run = world.full()
    assert (dict(run.found), dict(run.confirmed), dict(run.repaired)) == ({"missing": 1}, {}, {})
    assert run.false_candidates == {"missing": 1}
    world.check_in_line()


def test_a_ticket_that_changed_hands_while_it_looked_missing_is_no_drift(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(50)
    ann = make_agent()
    world.client.lrem(world.keys.queue(MEDIUM), 0, ids[20])

    def there_and_back() -> None:
        world.assign(ann, ids[20], hold=False)
        world.reopen(ids[20])

    world.clock.meanwhile = there_and_back
    assert world.full().false_candidates == {"missing": 1}


def test_a_phantom_that_was_popped_meanwhile_is_no_drift(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(50)
    ann = make_agent()
    world.assign(ann, ids[0])
    world.clock.meanwhile = lambda: world.client.lpop(world.keys.queue(MEDIUM))
    run = world.full()
    assert run.false_candidates == {"phantom": 1}
    assert run.repaired == {}


def test_a_ticket_being_claimed_is_not_missing(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    """The page of open tickets is read before the fetch commits, the queue after it popped."""
    make_tickets(50)
    world.queue.claim(claim_id=uuid4(), agent_id=make_agent(), wanted=10, capacity=15, priorities=(MEDIUM,))
    assert world.fast().found == {}
    assert world.full().found == {}


def test_tickets_dealt_after_the_snapshot_are_no_phantoms(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(50)
    ann = make_agent()

    class Dealing(RedisQueueAudit):
        def snapshot(self, **options):  # type: ignore[no-untyped-def]
            lengths = super().snapshot(**options)
            popped = world.queue.claim(claim_id=uuid4(), agent_id=ann, wanted=5, capacity=15, priorities=(MEDIUM,))
            world.assign(ann, *(ticket.id for ticket in popped.tickets), hold=False)
            world.queue.settle(popped)
            return lengths

    run = world.reconciler(audit=Dealing(world.client, world.keys)).run(tier="full", trigger="test")
    assert (run.status, run.found) == (RunStatus.DONE, {})
    assert world.queued() == ids[5:]


def test_a_ticket_whose_priority_changed_meanwhile_is_not_missing_from_its_old_queue(
    world: World, make_tickets: MakeTickets
) -> None:
    ids = make_tickets(3)
    look = SecondLook(audit=world.audit, open_tickets=world.open_tickets, grace_s=0)
    assert look.missing(tickets(*ids, priority=Priority.LOW)) == {}
    world.client.lrem(world.keys.queue(MEDIUM), 0, ids[1])
    assert set(look.missing(tickets(*ids))) == {ids[1]}


def test_two_at_once_do_not_get_in_each_others_way(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(50)
    world.client.lpop(world.keys.queue(MEDIUM))
    skipped = []

    def second() -> None:
        skipped.append(world.reconciler(holder="second").run(tier="full", trigger="test"))
        skipped.append(world.reconciler(holder="third").run(tier="fast", trigger="clock"))

    world.clock.meanwhile = second
    first = world.reconciler(holder="first").run(tier="full", trigger="test")
    assert first.repaired == {"missing": 1}
    assert [(run.status, run.error) for run in skipped] == [(RunStatus.SKIPPED, "Held by first")] * 2
    assert world.queued() == ids


def test_a_run_that_has_lost_its_lease_repairs_nothing(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(50)
    world.client.lpop(world.keys.queue(MEDIUM))

    def lose_it() -> None:
        world.sql("UPDATE leases SET expires_at = now() - interval '1 second'")
        assert world.leases.acquire("reconcile", holder="other", ttl_s=60)

    world.clock.meanwhile = lose_it
    before = world.queued()
    run = world.full()
    assert run.status is RunStatus.FAILED
    assert run.error
    assert "taken over" in run.error
    assert world.queued() == before
    assert world.leases.holder("reconcile") == "other"


def test_the_lease_is_given_back_at_the_end(world: World) -> None:
    world.full()
    assert world.leases.holder("reconcile") is None


def test_a_redis_that_is_away_fails_the_run_in_words(world: World) -> None:
    nobody = make_client("redis://127.0.0.1:1", timeout_ms=200)
    queue, audit = RedisTicketQueue(nobody, world.keys), RedisQueueAudit(nobody, world.keys)
    for tier in Tier:
        run = world.reconciler(queue=queue, audit=audit).run(tier=tier, trigger="test")
        assert run.status is RunStatus.FAILED
        assert run.error
        assert "did not answer" in run.error
    assert world.leases.holder("reconcile") is None


def test_a_requested_run_takes_place_once_and_as_requested(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(5, enqueue=False)
    asked = world.runs.request(RunRequest(tier=Tier.FULL, trigger="api", dry_run=True))
    first = world.reconciler().run(tier="fast", trigger="?", run_id=asked.id)
    assert (first.id, first.tier, first.trigger, first.dry_run) == (asked.id, Tier.FULL, "api", True)
    assert first.confirmed == {"missing": 5}
    assert world.reconciler().run(tier="fast", trigger="?", run_id=asked.id) == first
    with pytest.raises(NotFound):
        world.reconciler().run(tier="fast", trigger="?", run_id=asked.id + 1)


def test_a_bug_is_recorded_and_raised(world: World) -> None:
    class Buggy(PostgresOpenTickets):
        def agents_holding(self) -> dict[int, int]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.reconciler(open_tickets=Buggy(world.engine)).run(tier="full", trigger="test")
    [(status, error)] = world.sql("SELECT status, error FROM reconciliations")
    assert (status, error) == ("failed", "ZeroDivisionError")


def test_without_faults_nothing_is_repaired_under_traffic(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    """I12, on real time: agents fetch and give back while the reconciler goes over everything again and again."""
    make_tickets(400)
    agents = [make_agent(name) for name in ("ann", "bob", "cid")]
    stop = threading.Event()

    def work(agent_id: int) -> None:
        queue = world.queue
        while not stop.is_set():
            popped = queue.claim(claim_id=uuid4(), agent_id=agent_id, wanted=15, capacity=15, priorities=(MEDIUM,))
            ids = [ticket.id for ticket in popped.tickets]
            world.assign(agent_id, *ids, hold=False)
            queue.settle(popped)
            world.reopen(*ids)
            queue.unhold(agent_id, ids)
            queue.enqueue(popped.tickets)

    threads = [threading.Thread(target=work, args=(agent_id,)) for agent_id in agents]
    for thread in threads:
        thread.start()
    try:
        reconciler = world.reconciler(grace_s=1)
        runs = [reconciler.run(tier=tier, trigger="test") for _ in range(15) for tier in Tier]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {run.status for run in runs} == {RunStatus.DONE}
    assert [run.repaired for run in runs if run.repaired] == []
    world.check_in_line()


def test_a_ticket_that_comes_and_goes_is_no_wrong_hand(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    """At each look the ticket has just been given back, and the held set has not heard of it yet."""
    [ticket_id, stays] = make_tickets(2)
    ann = make_agent()
    world.assign(ann, stays)

    class JustGivenBack(PostgresOpenTickets):
        def held_by_each(self, agent_ids: Sequence[int]) -> dict[int, frozenset[int]]:
            world.assign(ann, ticket_id)
            world.reopen(ticket_id)
            return super().held_by_each(agent_ids)

    run = world.reconciler(open_tickets=JustGivenBack(world.engine)).run(tier=Tier.FULL, trigger="test")
    assert (run.found.get("wrong_held"), run.repaired.get("wrong_held")) == (None, None)
    assert world.client.smembers(world.keys.held(ann)) == {str(ticket_id), str(stays)}
    assert world.full().repaired.get("wrong_held") == 1, "at rest it is drift"


def test_leases_change_hands_only_when_they_have_run_out(engine: Engine) -> None:
    leases = PostgresLeases(engine)
    ann = leases.acquire("x", holder="ann", ttl_s=60)
    assert ann == Lease(name="x", holder="ann", token=1)
    assert leases.acquire("x", holder="bob", ttl_s=60) is None
    assert leases.acquire("x", holder="ann", ttl_s=60) is None
    assert leases.renew(ann, ttl_s=-1)
    bob = leases.acquire("x", holder="bob", ttl_s=60)
    assert bob == Lease(name="x", holder="bob", token=2)
    assert not leases.renew(ann, ttl_s=60)
    leases.release(ann)
    assert leases.holder("x") == "bob"
    leases.release(bob)
    assert leases.holder("x") is None
    assert leases.acquire("x", holder="ann", ttl_s=60) == Lease(name="x", holder="ann", token=3)


def test_open_states_describe_open_tickets_alone(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(4)
    world.assign(make_agent(), ids[1])
    world.sql("UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[2])
    world.sql("UPDATE tickets SET updated_at = now() - interval '1 hour' WHERE id = :id", id=ids[3])
    states = world.open_tickets.open_states([*ids, 999])
    assert list(states) == [ids[0], ids[3]]
    assert 3599 < states[ids[3]].age_s < 3700
    assert isinstance(states[ids[0]], OpenTicket)
    assert world.open_tickets.known_epochs([*ids, 999]) == {ids[0]: 0, ids[1]: 1, ids[2]: 0, ids[3]: 0}
    assert list(world.open_tickets.changed_pages(within_s=60, older_than_s=0, size=10)) == [{MEDIUM: [ids[0]]}]


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_recent_changes_fit_together(world: World, make_tickets: MakeTickets, *, newest_first: bool) -> None:
    """Also where many tickets were created at one moment, as by an import, and whatever their priorities."""
    ids = make_tickets(20)
    world.sql("UPDATE tickets SET priority = (ARRAY['low', 'medium', 'high'])[1 + id % 3], updated_at = now()")
    world.sql("UPDATE tickets SET updated_at = updated_at - interval '1 second' WHERE id % 4 = 0")
    pages = list(world.open_tickets.changed_pages(within_s=60, older_than_s=0, size=3, newest_first=newest_first))
    assert [sum(map(len, page.values())) for page in pages] == [3, 3, 3, 3, 3, 3, 2]
    found = [(priority, ticket_id) for page in pages for priority, some in page.items() for ticket_id in some]
    priorities = {0: Priority.LOW, 1: Priority.MEDIUM, 2: Priority.HIGH}
    assert sorted(found) == sorted((priorities[ticket_id % 3], ticket_id) for ticket_id in ids)
    assert all(some == sorted(some) for page in pages for some in page.values())
    if newest_first:
        pages.reverse()
    earlier = [ticket_id for page in pages[:2] for some in page.values() for ticket_id in some]
    assert {ticket_id for ticket_id in ids if ticket_id % 4 == 0} <= set(earlier)
