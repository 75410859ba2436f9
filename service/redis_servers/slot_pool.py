"""Connections to the one node of a Cluster that has our keys.

All keys of a queue share a hash tag, so one node has them all, and it may be talked to like a single server: with
transactions, SCAN and INFO, and without redis-py's client for Clusters, which sends a pipeline's commands once more
when their answer is late. When the keys move (failover, resharding), a connection that notices is closed, and the next
one asks the Cluster where they are now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Never, cast

from redis import Redis
from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

from service.redis_servers.address import Node

MOVED_AWAY = (AskError, ReadOnlyError, ClusterDownError, TryAgainError)
"""Answers by which a node says that it does not serve the keys (now); it has done nothing. MOVED is an `AskError`."""


class SlotOwner:
    """Know which node has a key, by asking the Cluster."""

    def __init__(self, seeds: Iterable[Node], *, key: str, asking: dict[str, Any]) -> None:
        """Take some nodes to ask at first, the key, and how to connect for asking."""
        self._seeds = tuple(seeds)
        self._slot = key_slot(key.encode())
        self._asking = asking
        self._known: dict[Node, None] = dict.fromkeys(self._seeds)
        self._lock = threading.Lock()
        self._found: Node | None = None
        self.on_move: Callable[[], object] = lambda: None
        """Called when the key is found on another node than before."""

    def find(self) -> Node:
        """Ask one node after the other. Raises redis-py's `ConnectionError` when none can say."""
        with self._lock:
            nodes = list(self._known)
        trouble: Exception | None = None
        for node in nodes:
            try:
                return self._settle(self._asked(node))
            except (RedisError, OSError) as exc:
                trouble = exc
        raise ConnectionError(f"No node of the Cluster says who has slot {self._slot}") from trouble

    def _settle(self, node: Node) -> Node:
        with self._lock:
            moved, self._found = self._found not in (None, node), node
        if moved:
            self.on_move()
        return node

    def _asked(self, node: Node) -> Node:
        host, port = node
        client = Redis(host=host, port=port, **self._asking)
        try:
            ranges = cast("list[list[Any]]", client.execute_command("CLUSTER", "SLOTS"))  # type: ignore[no-untyped-call]
        finally:
            client.close()
        owner: Node | None = None
        seen: list[Node] = []
        for first, last, *servers in ranges:
            here = [(_text(server[0]) or host, int(server[1])) for server in servers]
            seen += here
            if first <= self._slot <= last and here:
                owner = here[0]
        if owner is None:
            raise ConnectionError(f"No node has slot {self._slot}")
        with self._lock:
            self._known = dict.fromkeys((owner, *seen, *self._seeds))
        return owner


class SlotConnection(Connection):
    """A connection that asks where to connect to, and is closed when its node has the keys no more."""

    def __init__(self, *, owner: SlotOwner, **kwargs: Any) -> None:
        self._owner = owner
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """Connect to the node that has the keys."""
        if self._sock is None:
            self.host, self.port = self._owner.find()
        super().connect()  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read an answer. Raises `ConnectionError` where the node says that it has the keys no more."""
        try:
            return super().read_response(*args, **kwargs)
        except MOVED_AWAY as exc:
            self._give_up(exc)

    def _give_up(self, why: Exception) -> Never:
        self.disconnect()  # type: ignore[no-untyped-call]
        raise ConnectionError(f"The keys are on another node of the Cluster ({type(why).__name__})") from why


class SlotSSLConnection(SlotConnection, SSLConnection):
    """The same by TLS."""


class SlotPool(ConnectionPool):
    """A pool of connections to the node that has the keys; idle ones to another are closed."""

    def __init__(self, owner: SlotOwner, *, tls: bool = False, **kwargs: Any) -> None:
        super().__init__(connection_class=SlotSSLConnection if tls else SlotConnection, owner=owner, **kwargs)
        owner.on_move = partial(self.disconnect, inuse_connections=False)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
