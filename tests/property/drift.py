"""The state machine of the service with faults: crashes and lost answers anywhere, a Redis that lies, and repairs."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from service.domain.errors import StoreUnavailable
from service.domain.model import Priority
from service.usecases.invariants import all_hold
from service.usecases.ports.reconcile import Reconciliation, RunStatus, Tier
from tests.property.dealing import AGENT, LIMIT
from tests.property.failpoints import Crash, Fault, Side, Strike
from tests.property.model import ORDER
from tests.property.operations import ACT, PICK, PRIORITIES, PRIORITY, Operations

FAULT = st.one_of(
    st.builds(
        Fault,
        side=st.just(Side.STORE),
        strike=st.sampled_from([s for s in Strike if s is not Strike.DOWN]),
        at=st.integers(1, 4),
    ),
    st.builds(Fault, side=st.just(Side.REDIS), strike=st.sampled_from(Strike), at=st.integers(1, 5)),
)
LATER_FAULT = st.builds(Fault, side=st.sampled_from(Side), strike=st.sampled_from(Strike), at=st.integers(1, 40))
"""A reconciliation makes more calls than a request."""

HUGE, BEYOND = 2**63 - 1, 2**63
COPIES = 3


class Drifting(Operations):
    """Everything that may go wrong beside what users do."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[dict[bytes, bytes]] = []

    @rule(fault=FAULT)
    def arm(self, fault: Fault) -> None:
        """Let something go wrong in the next operation."""
        self.armed = fault

    @rule(fault=FAULT, number=AGENT, limit=LIMIT)
    def fetch_struck(self, fault: Fault, number: int, limit: int | None) -> None:
        self.armed = fault
        self.fetch(number, limit)

    @rule(fault=FAULT, number=AGENT)
    def poll_struck(self, fault: Fault, number: int) -> None:
        """Let something go wrong in a poll, mostly of somebody who has just been dealt something and sold it."""
        self.sell_and_poll(number, 0)
        for ticket in self.model.hand(self.agent(number)):
            self.work_off(self.agent(number), ticket)
        self.armed = fault
        self.poll(number)

    @precondition(lambda self: self.asked)
    @rule(fault=FAULT, back=st.integers(0, 2))
    def fetch_again_struck(self, fault: Fault, back: int) -> None:
        self.armed = fault
        self.fetch_again(back)

    @rule(fault=FAULT, act=ACT, number=AGENT, pick=PICK)
    def work_struck(self, fault: Fault, act: str, number: int, pick: int) -> None:
        self.armed = fault
        self.work(act, number, pick, None)

    @rule(fault=FAULT, priorities=PRIORITIES)
    def create_struck(self, fault: Fault, priorities: list[Priority]) -> None:
        self.armed = fault
        self.create(priorities)

    @rule(number=AGENT, pick=PICK, limit=LIMIT)
    def lie(self, number: int, pick: int, limit: int | None) -> None:
        """Offer an agent, first of all, a ticket of any state and priority."""
        agent = self.agent(number)
        first, *_ = ORDER[self.model.agents[agent].level]
        self.spoil(lambda: self.world.redis.lpush(self.world.keys.queue(first), self.ticket(pick)))
        self.fetch(number, limit)

    @rule(number=AGENT, pick=PICK)
    def lie_to_a_poll(self, number: int, pick: int) -> None:
        """Offer such a ticket to somebody who fetches plainly, and has just been dealt something."""
        agent = self.agent(number)
        first, *_ = ORDER[self.model.agents[agent].level]
        self.sell_and_poll(number, 1)
        self.spoil(lambda: self.world.redis.lpush(self.world.keys.queue(first), self.ticket(pick)))
        self.sell_and_poll(number, 1)

    @rule()
    def flush(self) -> None:
        self.world.redis.flushdb()
        self.in_line = False

    @precondition(lambda self: len(self.copies) < COPIES)
    @rule()
    def remember(self) -> None:
        self.copies.append(self.world.remember())

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, COPIES - 1))
    def fail_over(self, number: int) -> None:
        """Promote a replica that stood still for a while."""
        self.world.fail_over(self.copies[number % len(self.copies)])
        self.in_line = False

    @rule()
    def let_claims_age(self) -> None:
        """Changes nothing by itself: claims in flight are then older than their lease."""
        self.world.age_claims()

    @rule(priority=PRIORITY, pick=PICK, at_head=st.booleans())
    def poison_queue(self, priority: Priority, pick: int, *, at_head: bool) -> None:
        """Put in what does not belong there: no ids, tickets of any state, each perhaps twice."""
        entries = ["", "abc", "-4", "0", "1.5", "007", "+3", str(HUGE), str(BEYOND), "9" * 30, str(self.ticket(pick))]
        push = self.world.redis.lpush if at_head else self.world.redis.rpush
        self.spoil(lambda: push(self.world.keys.queue(priority), entries[pick % len(entries)], self.ticket(pick)))

    @rule(priority=PRIORITY, seed=st.integers(0, 99))
    def shuffle_queue(self, priority: Priority, seed: int) -> None:
        key = self.world.keys.queue(priority)

        def shuffled() -> None:
            entries = self.world.redis.lrange(key, 0, -1)
            random.Random(seed).shuffle(entries)
            if entries:
                self.world.redis.delete(key)
                self.world.redis.rpush(key, *entries)

        self.spoil(shuffled)

    @rule(number=AGENT, pick=PICK, entry=st.sampled_from(["abc", "-1", str(HUGE), ""]))
    def poison_hand(self, number: int, pick: int, entry: str) -> None:
        key = self.world.keys.held(self.agent(number))
        self.spoil(lambda: self.world.redis.sadd(key, entry, self.ticket(pick)))

    @rule(number=AGENT)
    def lose_hand(self, number: int) -> None:
        self.world.redis.delete(self.world.keys.held(self.agent(number)))
        self.in_line = False

    @rule(entry=st.sampled_from(["abc", "a|b|c", "|", "00000000-0000-0000-0000-000000000000|x|m1"]))
    def poison_ledger(self, entry: str) -> None:
        self.spoil(lambda: self.world.redis.zadd(self.world.keys.claims, {entry: 1}))

    @rule(which=st.sampled_from(["queue", "held", "claims", "generation", "quarantine"]), number=AGENT)
    def wrong_type(self, which: str, number: int) -> None:
        keys = self.world.keys
        named = {"queue": keys.queue(list(Priority)[number % 3]), "held": keys.held(self.agent(number))}
        key = named.get(which) or getattr(keys, which)
        self.world.redis.delete(key)
        self.world.redis.hset(key, "not what", "you think")
        self.in_line = False

    def spoil(self, work: Callable[[], object]) -> None:
        """Write into a key, which may have the wrong type already."""
        self.in_line = False
        if not self.mistyped():
            work()

    def mistyped(self) -> bool:
        return any(self.world.redis.type(key) == "hash" for key in self.world.redis.scan_iter())

    @rule(tier=st.sampled_from(Tier), fault=st.none() | LATER_FAULT)
    def reconcile(self, tier: Tier, fault: Fault | None) -> None:
        self.armed = fault
        self.run(tier)

    @rule(tier=st.sampled_from(Tier))
    def look_on(self, tier: Tier) -> None:
        """A dry run changes nothing, whatever it finds."""
        self.armed = None
        before = self.world.dump()
        self.run(tier, dry_run=True)
        assert self.world.dump() == before

    @rule()
    def bring_in_line(self) -> None:
        """With nothing in flight any more, one full run puts everything right."""
        self.armed = None
        self.world.age_claims()
        run = self.run(Tier.FULL)
        assert run is not None
        assert run.status is RunStatus.DONE, run.error
        self.in_line = True

    def run(self, tier: Tier, *, dry_run: bool = False) -> Reconciliation | None:
        """Reconcile, and check what that promises."""
        was_in_line = self.in_line
        self.world.expire_leases()
        outcome = self.attempt(lambda: self.world.reconciler.run(tier=tier, trigger="test", dry_run=dry_run))
        if outcome.error is not None:
            assert type(outcome.error) in {StoreUnavailable, Crash}
            assert outcome.struck
            return None
        run: Reconciliation = outcome.result
        if was_in_line and not outcome.struck:
            assert (run.status, run.found, run.repaired) == (RunStatus.DONE, {}, {})
        if tier is Tier.FULL and not dry_run and not outcome.struck:
            assert run.status is RunStatus.DONE, run.error
            self.check_line(in_flight=self.world.in_flight())
        return run

    def teardown(self) -> None:
        """At the end of a story that went well so far: the promises hold, as `fairdeal verify` has them."""
        if sys.exc_info()[0] is not None:
            return
        self.bring_in_line()
        self.queue_and_hands_are_in_line()
        results = self.world.invariants.check(at_rest=True)
        assert all_hold(results), [result for result in results if not result.ok]
