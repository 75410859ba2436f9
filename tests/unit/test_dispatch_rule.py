"""Who is given what: the rule against a slow model that looks at every agent for every ticket."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.dispatch import Candidate, Share, share_out
from service.domain.model import MAX_CAPACITY, Level, Priority

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
H, M, L = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def agent(
    agent_id: int, level: Level = Level.JUNIOR, *, held: int = 0, capacity: int = MAX_CAPACITY, idle_min: int = 0
) -> Candidate:
    return Candidate(
        agent_id=agent_id, level=level, held=held, capacity=capacity, idle_since=NOON - timedelta(minutes=idle_min)
    )


def senior(agent_id: int, *, held: int = 0, capacity: int = MAX_CAPACITY, idle_min: int = 0) -> Candidate:
    return agent(agent_id, Level.SENIOR, held=held, capacity=capacity, idle_min=idle_min)


def given_to(shares: tuple[Share, ...]) -> dict[int, dict[Priority, int]]:
    return {share.agent_id: dict(share.counts) for share in shares}


def by_hand(candidates: list[Candidate], waiting: dict[Priority, int]) -> dict[int, dict[Priority, int]]:
    """Deal ticket by ticket as the design says it, with a sort of everybody for each."""
    held = {each.agent_id: each.held for each in candidates}
    last = {each.agent_id: (0, each.idle_since) for each in candidates}
    result: dict[int, Counter[Priority]] = {}
    turn = 0
    for priority in (H, M, L):
        for _ in range(waiting[priority]):
            free = [each for each in candidates if held[each.agent_id] < each.capacity]
            seniors = [each for each in free if each.level is Level.SENIOR]
            may = {H: seniors, M: seniors or free, L: free}[priority]
            if not may:
                continue
            least = min(held[each.agent_id] for each in may)
            equals = [each for each in may if held[each.agent_id] == least]
            chosen = min(equals, key=lambda each: (last[each.agent_id], each.agent_id)).agent_id
            turn += 1
            held[chosen] += 1
            last[chosen] = (turn, NOON)
            result.setdefault(chosen, Counter())[priority] += 1
    return {agent_id: dict(counts) for agent_id, counts in result.items()}


AGENTS = st.lists(
    st.builds(
        agent,
        st.integers(1, 40),
        st.sampled_from(Level),
        held=st.integers(0, 3) | st.integers(0, MAX_CAPACITY),
        capacity=st.integers(1, MAX_CAPACITY),
        idle_min=st.integers(0, 5),
    ),
    max_size=8,
    unique_by=lambda each: each.agent_id,
)
WAITING = st.fixed_dictionaries({priority: st.integers(0, 12) for priority in Priority})


@given(candidates=AGENTS, waiting=WAITING)
@example(candidates=[senior(1, held=3), agent(2)], waiting={H: 1, M: 1, L: 1})
def test_shares_are_what_dealing_by_hand_gives(candidates: list[Candidate], waiting: dict[Priority, int]) -> None:
    shares = share_out(candidates, waiting)
    expected = by_hand(candidates, waiting)
    assert given_to(shares) == expected
    assert [share.agent_id for share in shares] == list(expected), "who is named first comes first"


@given(candidates=AGENTS, waiting=WAITING)
def test_nobody_gets_more_than_fits_and_nothing_waits_for_whom_there_is_room(
    candidates: list[Candidate], waiting: dict[Priority, int]
) -> None:
    shares = {share.agent_id: share for share in share_out(candidates, waiting)}
    room = {each.agent_id: max(0, each.capacity - each.held) for each in candidates}
    for agent_id, share in shares.items():
        assert 0 < share.total <= room[agent_id]
    free = {agent_id: room[agent_id] - (shares[agent_id].total if agent_id in shares else 0) for agent_id in room}
    dealt: Counter[Priority] = Counter()
    for share in shares.values():
        dealt.update(share.counts)
    seniors = {each.agent_id for each in candidates if each.level is Level.SENIOR}
    assert not (dealt[H] < waiting[H] and any(free[agent_id] for agent_id in seniors))
    for priority in (M, L):
        assert not (dealt[priority] < waiting[priority] and any(free.values()))


def test_high_waits_rather_than_go_to_a_junior() -> None:
    assert share_out([agent(1)], {H: 3}) == ()
    assert given_to(share_out([agent(1), senior(2, held=14)], {H: 3})) == {2: {H: 1}}


def test_medium_goes_to_juniors_only_when_no_senior_has_room() -> None:
    assert given_to(share_out([agent(1), senior(2, held=13)], {M: 3})) == {2: {M: 2}, 1: {M: 1}}


def test_low_goes_to_whoever_holds_the_fewest_of_either_level() -> None:
    assert given_to(share_out([agent(1, held=2), senior(2, held=1)], {L: 1})) == {2: {L: 1}}


def test_among_equals_whoever_was_idle_longest_comes_first() -> None:
    idle = [agent(1, idle_min=1), agent(2, idle_min=9), agent(3, idle_min=5)]
    assert [share.agent_id for share in share_out(idle, {L: 3})] == [2, 3, 1]


def test_whoever_was_given_one_in_this_deal_comes_last_among_equals() -> None:
    """Agent 1 was idle longer, until the first ticket made the two equal."""
    waiting = share_out([agent(1, idle_min=9), agent(2, held=1, idle_min=1)], {L: 2})
    assert given_to(waiting) == {1: {L: 1}, 2: {L: 1}}


def test_the_fewest_are_counted_not_compared_with_capacity() -> None:
    """One of 2 is as much as one of 15: the cap alone tells them apart."""
    assert given_to(share_out([agent(1, capacity=2, held=1), agent(2, held=2)], {L: 2})) == {1: {L: 1}, 2: {L: 1}}


def test_a_thousand_agents_are_served_at_once() -> None:
    crowd = [agent(number, list(Level)[number % 2]) for number in range(1, 1_001)]
    shares = share_out(crowd, {H: 20_000, M: 20_000, L: 20_000})
    assert sum(share.total for share in shares) == 1_000 * MAX_CAPACITY
