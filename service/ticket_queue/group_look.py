"""How several Redis servers stand together, by asking each: see `service.usecases.ports.doctor`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from service.domain.errors import QueueUnavailable
from service.redis_servers.address import Kind, Node, RedisAddress, parse
from service.redis_servers.clients import short_waits
from service.usecases.ports.doctor import ClusterFacts, SentinelFacts

_LAME = frozenset({"s_down", "o_down", "disconnected"})
"""Flags by which a Sentinel says that a replica is of no use."""


class RedisGroupLook:
    """Ask the Sentinels, or the nodes of a Cluster, that an address names; of one server there is nothing to ask."""

    def __init__(self, url: str, *, timeout_ms: int) -> None:
        self._address = parse(url)
        self._timeout_ms = timeout_ms

    def look(self) -> SentinelFacts | ClusterFacts | None:
        """Ask all that are named. Raises `QueueUnavailable` where none answers."""
        if self._address.kind is Kind.SENTINEL:
            return self._sentinels()
        if self._address.kind is Kind.CLUSTER:
            return self._cluster()
        return None

    def _sentinels(self) -> SentinelFacts:
        address, silent = self._address, []
        masters: dict[str, str] = {}
        replicas: list[int] = []
        doubts: dict[str, str] = {}
        for node in address.nodes:
            try:
                with self._asking(node, address.sentinel_username, address.sentinel_password) as client:
                    masters[_name(node)] = _master(client, address)
                    replicas.append(_replicas(client, address.master))
                    if doubt := _doubt(client, address.master):
                        doubts[_name(node)] = doubt
            except (RedisError, OSError) as exc:
                silent.append(f"{_name(node)} ({type(exc).__name__})")
        if not masters:
            raise QueueUnavailable(f"None of the Sentinels answers: {', '.join(silent)}")
        return SentinelFacts(
            master=address.master,
            masters=masters,
            silent=tuple(silent),
            doubts=doubts,
            replicas=min(replicas, default=0),
            unreachable=tuple(self._unreachable(sorted(set(masters.values()) - {""}))),
        )

    def _unreachable(self, masters: list[str]) -> Iterator[str]:
        """Name those of the masters that do not answer us, whatever they answer the Sentinels."""
        for name in masters:
            host, _, port = name.rpartition(":")
            try:
                with self._asking((host, int(port)), self._address.username, self._address.password) as client:
                    client.ping()
            except (RedisError, OSError):
                yield name

    def _cluster(self) -> ClusterFacts:
        address, silent = self._address, []
        answers: list[tuple[dict[str, str], str]] = []
        for node in address.nodes:
            try:
                with self._asking(node, address.username, address.password) as client:
                    answers.append((_cluster_info(client), client.execute_command("CLUSTER", "NODES")))
            except (RedisError, OSError) as exc:
                silent.append(f"{_name(node)} ({type(exc).__name__})")
        if not answers:
            raise QueueUnavailable(f"None of the Cluster's nodes answers: {', '.join(silent)}")
        info, listed = min(answers, key=lambda answer: answer[0].get("cluster_state") == "ok")  # the worst that is said
        lines = [_ClusterLine(line) for line in listed.splitlines() if line.strip()]
        following = [line.follows for line in lines if line.is_well]
        return ClusterFacts(
            state=info.get("cluster_state", "unknown"),
            slots=int(info.get("cluster_slots_ok", 0)),
            replicas={line.name: following.count(line.id) for line in lines if line.has_slots and line.is_well},
            failed=tuple(line.name for line in lines if not line.is_well),
            silent=tuple(silent),
        )

    @contextlib.contextmanager
    def _asking(self, node: Node, username: str | None, password: str | None) -> Iterator[Any]:
        host, port = node
        client = Redis(
            host=host, port=port, username=username, password=password, ssl=self._address.tls, decode_responses=True,
            **short_waits(timeout_ms=self._timeout_ms),
        )  # fmt: skip
        with contextlib.closing(client):
            yield client


class _ClusterLine:
    """One line of CLUSTER NODES: id, address, flags, whom it follows, pings, epoch, link, slots."""

    def __init__(self, line: str) -> None:
        self.id, address, flags, self.follows, _, _, _, link, *slots = line.split()
        self.name = address.partition("@")[0]
        of_itself = "myself" in flags.split(",")
        self.is_well = not {"fail", "fail?", "noaddr"} & set(flags.split(",")) and (of_itself or link == "connected")
        self.has_slots = any(not slot.startswith("[") for slot in slots)


def _name(node: Node) -> str:
    return f"{node[0]}:{node[1]}"


def _master(client: Any, address: RedisAddress) -> str:
    """Ask who the master is; empty where the Sentinel watches none of that name."""
    found = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
    return "" if not found else f"{found[0]}:{found[1]}"


def _replicas(client: Any, master: str) -> int:
    """Count those that could take the master's place."""
    try:
        listed = client.execute_command("SENTINEL", "REPLICAS", master)
    except ResponseError:
        return 0
    flags = [dict(zip(flat[::2], flat[1::2], strict=True))["flags"].split(",") for flat in listed]
    return sum(_LAME.isdisjoint(each) for each in flags)


def _doubt(client: Any, master: str) -> str:
    """Ask whether enough Sentinels are there for a failover; say why not, or nothing."""
    try:
        client.execute_command("SENTINEL", "CKQUORUM", master)
    except ResponseError as exc:
        return str(exc)
    return ""


def _cluster_info(client: Any) -> dict[str, str]:
    return dict(line.split(":", 1) for line in client.execute_command("CLUSTER", "INFO").split())
