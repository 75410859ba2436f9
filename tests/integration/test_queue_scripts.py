"""Each Lua file on a real server: what it leaves behind, and what it makes of a Redis that lies."""

from __future__ import annotations

import random
from uuid import uuid4

import pytest
from redis import Redis

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.keys import Keys, claim_member, unpack
from service.ticket_queue.queue import RedisTicketQueue
from service.ticket_queue.scripts import LUA, Script, script

MEDIUM = Priority.MEDIUM


def tickets(*ids: int) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, MEDIUM) for ticket_id in ids]


def claim(queue: RedisTicketQueue, wanted: int = 15, agent: int = 1):  # type: ignore[no-untyped-def]
    return queue.claim(claim_id=uuid4(), agent_id=agent, wanted=wanted, capacity=15, priorities=(MEDIUM,))


def test_a_claim_is_in_the_ledger_until_settled(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> None:
    queue.enqueue(tickets(1, 2, 3))
    popped = claim(queue, 2)
    [(member, score)] = redis_client.zrange(keys.claims, 0, -1, withscores=True)
    assert member == popped.token == claim_member(popped.claim_id, 1, "m1,m2")
    assert abs(score - redis_client.time()[0] * 1000) < 5_000
    assert redis_client.smembers(keys.held(1)) == {"1", "2"}
    assert 0 < redis_client.ttl(keys.reply(popped.claim_id)) <= 60
    queue.settle(popped)
    assert redis_client.zcard(keys.claims) == 0
    assert redis_client.smembers(keys.held(1)) == {"1", "2"}


def test_a_claim_that_nobody_will_repeat_leaves_no_answer(
    queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    queue.enqueue(tickets(1, 2, 3))
    popped = queue.claim(claim_id=uuid4(), agent_id=1, wanted=2, capacity=15, priorities=(MEDIUM,), repeatable=False)
    assert [ticket.id for ticket in popped.tickets] == [1, 2]
    assert redis_client.exists(keys.reply(popped.claim_id)) == 0
    assert redis_client.zrange(keys.claims, 0, -1) == [popped.token]


def test_poison_is_quarantined_and_costs_nothing(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> None:
    poison = ["abc", "-4", "0", "1.5", "007", "+3", "", "99999999999999999999"]
    redis_client.rpush(keys.queue(MEDIUM), *poison, *range(1, 21))
    popped = claim(queue)
    assert [ticket.id for ticket in popped.tickets] == list(range(1, 16))
    assert redis_client.lrange(keys.quarantine, 0, -1) == poison


def test_an_id_beyond_64_bits_is_not_dealt(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> None:
    redis_client.rpush(keys.queue(MEDIUM), 1, str(2**63))
    assert [ticket.id for ticket in claim(queue).tickets] == [1]


def test_duplicates_are_dealt_once(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> None:
    redis_client.rpush(keys.queue(MEDIUM), 1, 1, 2)
    popped = claim(queue)
    assert [ticket.id for ticket in popped.tickets] == [1, 2]
    queue.settle(popped)
    assert redis_client.zcard(keys.claims) == 0


@pytest.mark.parametrize("wrong", ["queue", "held", "claims"])
def test_a_key_of_the_wrong_type_pops_nothing(
    queue: RedisTicketQueue, redis_client: Redis, keys: Keys, wrong: str
) -> None:
    redis_client.rpush(keys.queue(Priority.HIGH), 1)
    queue.enqueue(tickets(2))
    key = {"queue": keys.queue(MEDIUM), "held": keys.held(1), "claims": keys.claims}[wrong]
    redis_client.delete(key)
    redis_client.set(key, "not what you think")
    with pytest.raises(QueueUnavailable):
        queue.claim(claim_id=uuid4(), agent_id=1, wanted=15, capacity=15, priorities=(Priority.HIGH, MEDIUM))
    assert redis_client.llen(keys.queue(Priority.HIGH)) == 1


def test_a_flushed_queue_is_not_an_empty_one(queue: RedisTicketQueue, redis_client: Redis) -> None:
    queue.enqueue(tickets(1))
    redis_client.flushdb()
    assert not claim(queue).trusted
    assert queue.enqueue(tickets(1)) == 0
    assert queue.depths()[MEDIUM] == 0


def test_forgotten_scripts_are_sent_again(queue: RedisTicketQueue, redis_client: Redis) -> None:
    queue.enqueue(tickets(1, 2))
    redis_client.script_flush()
    assert [ticket.id for ticket in claim(queue).tickets] == [1, 2]


def test_inserting_anywhere_keeps_a_long_list_ascending(
    queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    missing = [*random.Random(3).sample(range(2, 20_000), 400), 1, 20_000, 19_999, 19_998]
    present = [ticket_id for ticket_id in range(1, 20_001) if ticket_id not in set(missing)]
    redis_client.rpush(keys.queue(MEDIUM), *present)
    assert queue.enqueue(tickets(*missing)) == len(set(missing))
    assert [int(entry) for entry in redis_client.lrange(keys.queue(MEDIUM), 0, -1)] == list(range(1, 20_001))


@pytest.mark.parametrize(
    ("entries", "inversions"),
    [([1, 2, 3, 4], 0), ([2, 1, 3, 4], 1), ([3, 2, 1, 4], 2), ([1, 3, 2, 4], 1), ([1, 2, 10, 4], 1), ([9, 10], 0)],
)
def test_hand_outs_before_an_older_ticket_are_counted(
    queue: RedisTicketQueue, redis_client: Redis, keys: Keys, entries: list[int], inversions: int
) -> None:
    redis_client.rpush(keys.queue(MEDIUM), *entries)
    claim(queue, 3)
    assert queue.inversions() == inversions


def test_removal_leaves_what_is_deep_inside(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> None:
    redis_client.rpush(keys.queue(MEDIUM), *range(1, 60_001))
    assert queue.remove(tickets(19_000, 30_000, 41_000)) == 2
    assert redis_client.llen(keys.queue(MEDIUM)) == 59_998


def test_every_key_shares_one_hash_tag(keys: Keys) -> None:
    named = [
        keys.queue(MEDIUM), keys.held(1), keys.claims, keys.reply(uuid4()), keys.generation, keys.quarantine,
        keys.snapshot("t", MEDIUM), keys.staging("t", MEDIUM),
    ]  # fmt: skip
    assert {key[: key.index("}") + 1] for key in named} == {f"{{{keys.prefix}}}"}


@pytest.mark.parametrize("path", sorted(LUA.glob("*.lua")), ids=lambda path: path.stem)
def test_every_script_says_what_it_takes(path) -> None:  # type: ignore[no-untyped-def]
    source = path.read_text()
    assert source.startswith("-- ")
    assert "\n-- RETURNS: " in source
    found = Script(path.stem, source)
    assert found.keys
    for names in (found.keys, found.argv):
        assert all(not name.endswith("...") for name in names[:-1]), "only the last name may take the rest"


def test_a_call_with_other_names_than_the_header_is_refused(redis_client: Redis) -> None:
    with pytest.raises(TypeError, match=r"end_claim\.lua takes claims reply"):
        script("end_claim").run(redis_client, {"claims": "x"}, {"member": "x"})
    with pytest.raises(KeyError):
        script("end_claim").run(redis_client, {"claims": "x", "answer": "y"}, {"member": "x"})


def test_what_lua_packs_python_unpacks() -> None:
    assert unpack("h1,m2,l3") == (
        QueuedTicket(1, Priority.HIGH),
        QueuedTicket(2, Priority.MEDIUM),
        QueuedTicket(3, Priority.LOW),
    )
    assert unpack("") == ()
    assert unpack("x1,m,m0,m-1,h5") == (QueuedTicket(5, Priority.HIGH),)
    assert unpack("h1x,xh2,m1,h1,m01,l9223372036854775808,l3\n") == (QueuedTicket(1, Priority.MEDIUM),)
