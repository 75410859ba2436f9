"""The claim ledger and the held sets under the reconciler's eye: one half of `RedisQueueAudit`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from redis import Redis

from service.ticket_queue.client import errors_as_facts
from service.ticket_queue.keys import Keys, parse_id
from service.ticket_queue.ledger import read_claim
from service.ticket_queue.scripts import script
from service.usecases.ports.queue import HeldSet, OpenClaim

CLAIMS_AT_ONCE = 1_000

MEMBERS_AT_ONCE = 5_000
"""Entries of one held set looked at by one call; there should be at most fifteen."""


class RedisLedgerAudit:
    """Look into the claims in flight and the agents' held sets, and mend them."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def open_claims(self, *, older_than_s: float) -> Sequence[OpenClaim]:
        """ZRANGEBYSCORE, by the server's own clock.

        A claim from the future, left by a server whose clock went wrong or by a failover, is as old as it gets.
        """
        with errors_as_facts():
            now_ms = self._now_ms()
            span_ms = older_than_s * 1_000
            members = self._scored("-inf", now_ms - span_ms) + self._scored(f"({now_ms + max(span_ms, 1_000)}", "+inf")
        claims = (read_claim(member, age_s=abs(now_ms - score) / 1_000) for member, score in members[:CLAIMS_AT_ONCE])
        return [claim for claim in claims if claim is not None]

    def claimed(self) -> frozenset[int]:
        """Walk the whole ledger."""
        return self._claimed_in(self._keys.claims)

    def _claimed_in(self, ledger: str) -> frozenset[int]:
        members = self._members(ledger)
        return frozenset(
            ticket.id for member in members if (claim := read_claim(member, age_s=0)) for ticket in claim.tickets
        )

    def end_claim(self, claim: OpenClaim) -> bool:
        """Run end_claim.lua."""
        keys = {"claims": self._keys.claims, "reply": self._keys.reply(claim.claim_id)}
        with errors_as_facts():
            return bool(script("end_claim").run(self._client, keys, {"member": claim.token}))

    def broken_claims(self) -> Sequence[str]:
        """Walk the whole ledger."""
        return [member for member in self._members(self._keys.claims) if read_claim(member, age_s=0) is None]

    def evict_broken_claims(self, entries: Sequence[str]) -> int:
        """ZREM and RPUSH."""
        if not entries:
            return 0
        with errors_as_facts():
            self._client.rpush(self._keys.quarantine, *entries)
            return int(self._client.zrem(self._keys.claims, *entries))

    def held_agents(self) -> Iterator[int]:
        """SCAN; an agent may come up twice."""
        with errors_as_facts():
            for key in self._client.scan_iter(match=self._keys.held_pattern, count=1_000, _type="set"):
                with contextlib.suppress(ValueError):  # a key of somebody else's that happens to fit the pattern
                    yield self._keys.agent_of(key)

    def held(self, agent_id: int) -> frozenset[int]:
        """SMEMBERS."""
        return self.held_sets([agent_id])[agent_id].ids

    def held_sets(self, agent_ids: Sequence[int]) -> Mapping[int, HeldSet]:
        """SMEMBERS of each, in one round trip."""
        with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
            for agent_id in agent_ids:
                pipeline.smembers(self._keys.held(agent_id))
            return dict(zip(agent_ids, map(_held_set, pipeline.execute()), strict=True))

    def evict_held_poison(self, agent_id: int) -> int:
        """Run evict_held_poison.lua."""
        keys, limit = {"held": self._keys.held(agent_id)}, {"limit": MEMBERS_AT_ONCE}
        with errors_as_facts():
            return int(script("evict_held_poison").run(self._client, keys, limit))

    def _now_ms(self) -> int:
        seconds, microseconds = self._client.time()
        return int(seconds) * 1_000 + int(microseconds) // 1_000

    def _scored(self, low: float | str, high: float | str) -> list[tuple[str, float]]:
        found = self._client.zrangebyscore(self._keys.claims, low, high, start=0, num=CLAIMS_AT_ONCE, withscores=True)
        return cast("list[tuple[str, float]]", found)

    def _members(self, ledger: str) -> Iterator[str]:
        """Read all members, a page at a time; one that comes or goes meanwhile may be seen twice or not at all."""
        with errors_as_facts():
            for member, _ in self._client.zscan_iter(ledger, count=CLAIMS_AT_ONCE):
                yield member


def _held_set(members: set[str]) -> HeldSet:
    parsed = {member: parse_id(member) for member in members}
    return HeldSet(
        ids=frozenset(value for value in parsed.values() if value is not None),
        poison=tuple(member for member, value in parsed.items() if value is None),
    )
