"""Clients: short waits, and no command ever repeated by itself."""

from __future__ import annotations

from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from service.redis_servers.address import Kind, RedisAddress, parse
from service.redis_servers.one_try import OneTryRedis
from service.redis_servers.quick_pool import PlainConnection, QuickPool
from service.redis_servers.slot_pool import SlotOwner, SlotPool

MAX_CONNECTIONS = 1_024
"""Far above the threads of a process, which are what bounds connections: redis-py's own 100 fails the next thread."""


def make_client(url: str, *, timeout_ms: int, text: bool, key: str | None = None) -> Redis:
    """Make a client that connects on first use and never repeats a command by itself.

    redis-py retries by default; where only the reply was lost, that runs a script twice. `key` is any of the keys that
    will be used, which all share its hash tag; it says where in a Cluster they are. `text` decodes answers. Raises
    `ValueError` for a bad address, or a Cluster's without a key.
    """
    address = parse(url)
    waits = short_waits(timeout_ms=timeout_ms)
    usual: dict[str, Any] = {**waits, "max_connections": MAX_CONNECTIONS, "health_check_interval": 0}
    if text:
        usual |= {"decode_responses": True, "encoding_errors": "backslashreplace"}
    if address.kind is Kind.SENTINEL:
        return _by_sentinel(address, waits, usual)
    if address.kind is Kind.CLUSTER:
        if key is None:
            raise ValueError("a Cluster spreads keys over its nodes; only keys of one hash tag can be used there")
        return _in_cluster(address, key, waits, usual)
    plainly: dict[str, Any] = {"connection_class": PlainConnection} if url.startswith("redis:") else {}
    return OneTryRedis.from_pool(QuickPool.from_url(url, **usual, **plainly))


def short_waits(*, timeout_ms: int) -> dict[str, Any]:
    """Say, for redis-py, how long to wait, and that nothing is repeated."""
    return {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
    }


def _by_sentinel(address: RedisAddress, waits: dict[str, Any], usual: dict[str, Any]) -> Redis:
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(address.nodes),
        sentinel_kwargs={
            **waits,
            "ssl": address.tls,
            "username": address.sentinel_username,
            "password": address.sentinel_password,
        },
    )
    found = sentinel.master_for(  # type: ignore[no-untyped-call]
        address.master,
        redis_class=OneTryRedis,
        **usual,
        ssl=address.tls,
        db=address.db,
        username=address.username,
        password=address.password,
    )
    return cast("Redis", found)


def _in_cluster(address: RedisAddress, key: str, waits: dict[str, Any], usual: dict[str, Any]) -> Redis:
    account = {"username": address.username, "password": address.password}
    owner = SlotOwner(address.nodes, key=key, asking={**waits, **account, "ssl": address.tls})
    pool = SlotPool(owner, tls=address.tls, **usual, **account)
    return OneTryRedis.from_pool(pool)
