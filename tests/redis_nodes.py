"""Redis as several servers, for tests: a Cluster, and a master with a replica under Sentinels. All are real Valkeys."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from redis import Redis
from redis.crc import key_slot

from scripts import child
from scripts.account import make_directory, open_to_pass, server_account, working_directory, write_private
from scripts.embedded_server import RunningServer, Start, server_environment
from scripts.embedded_valkey import Valkey, embedded_valkey
from scripts.ports import LOOPBACK, free_port
from scripts.waiting import wait_until

SLOTS = 16_384
PATIENCE_S = 60.0

_IN_CLUSTER = """\
cluster-enabled yes
cluster-config-file nodes.conf
cluster-port {bus}
cluster-node-timeout 1500
cluster-require-full-coverage no
masterauth {password}
repl-diskless-sync-delay 0
"""

_SENTINEL = """\
bind {host}
port {port}
requirepass {password}
dir ./
daemonize no
logfile ""
sentinel monitor {master} {host} {master_port} 2
sentinel auth-pass {master} {password}
sentinel sentinel-pass {password}
sentinel down-after-milliseconds {master} 1000
sentinel failover-timeout {master} 4000
"""

MASTER = "fairdeal"


def await_that(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that takes seconds."""
    assert wait_until(condition, PATIENCE_S, pause_s=0.1), f"no {what} within {PATIENCE_S} s"


class Node:
    """One running server that a test may end, and look into."""

    def __init__(self, running: RunningServer, password: str) -> None:
        self._running = running
        self.port = running.server.port
        self.client = Redis(host=LOOPBACK, port=self.port, password=password, decode_responses=True, protocol=2)

    def kill(self) -> None:
        """End it as a crash would."""
        self._running.process.kill()
        self._running.process.wait()

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._running.stop()

    def info(self, section: str) -> dict[str, Any]:
        """Read a section of INFO."""
        return dict(self.client.info(section))


@dataclass(frozen=True)
class _Sentinel(Valkey):
    """A Sentinel that watches one master."""

    master_port: int = 0

    def configuration(self) -> str:
        """Write what it watches."""
        return _SENTINEL.format(
            host=LOOPBACK, port=self.port, password=self.password, master=MASTER, master_port=self.master_port
        )

    def spawn(self) -> child.Process:
        """Start the server in its other role."""
        make_directory(self.data, self.account)
        write_private(self.data / "valkey.conf", self.configuration(), self.account)
        with self.log.open("ab") as log:
            return child.spawn(
                [self.binary, f"{working_directory(self.data, self.account)}/valkey.conf", "--sentinel"],
                environ=server_environment(os.environ), cwd=self.data, output=log, account=self.account,
            )  # fmt: skip


class Nodes(Protocol):
    """Several servers that are one Redis."""

    @property
    def url(self) -> str:
        """Where they are."""


class _Servers:
    """Servers with one password, all ended with the block."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        open_to_pass(directory)
        self._directory, self._stack = directory, stack
        self._account = server_account(directory / "valkey")
        self._taken: set[int] = set()
        self.password = secrets.token_hex(8)

    def port(self) -> int:
        """Find a port that none of them has."""
        port = free_port(avoid=frozenset(self._taken))
        self._taken.add(port)
        return port

    def start(self, number: int, *, further: str = "", watching: int | None = None) -> Node:
        """Start one."""
        described = embedded_valkey(
            self._directory / f"valkey-{number}",
            log=self._directory / f"valkey-{number}.log",
            port=self.port(),
            password=self.password,
            account=self._account,
            throwaway=True,
        )
        server = (
            Valkey(**{**vars(described), "further": further})
            if watching is None
            else _Sentinel(**{**vars(described), "master_port": watching})
        )
        node = Node(Start(server, may_move=False).wait(), self.password)
        self._stack.callback(node.close)
        return node


class Cluster:
    """Three nodes that share the slots; the one that has `key` may have a replica."""

    def __init__(self, servers: _Servers, key: str, *, replicated: bool) -> None:
        self._servers, self._slot = servers, key_slot(key.encode())
        self.nodes: list[Node] = []
        self._buses: list[int] = []
        for number in range(4 if replicated else 3):
            self._start(number)
        self._share_slots()
        if replicated:
            self._replicate()

    def _start(self, number: int) -> None:
        self._buses.append(self._servers.port())
        settings = _IN_CLUSTER.format(bus=self._buses[-1], password=self._servers.password)
        self.nodes.append(self._servers.start(number, further=settings))

    @property
    def url(self) -> str:
        """Where its nodes are."""
        nodes = ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)
        return f"redis+cluster://:{self._servers.password}@{nodes}"

    @property
    def owner(self) -> Node:
        """The node that has the keys."""
        return next(node for node in self.living() if self._has_the_keys(node))

    def kill_master(self) -> None:
        """End the node that has the keys, and wait until another has them."""
        self.owner.kill()
        await_that(lambda: any(map(self._has_the_keys, self.living())), "failover")

    def living(self) -> list[Node]:
        """List the nodes that answer."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(Exception):
                node.client.ping()
                found.append(node)
        return found

    def move_slot(self) -> Node:
        """Give the keys' slot, and what is in it, to another node, as resharding does."""
        source = self.owner
        target = next(node for node in self.nodes[:3] if node is not source)
        names = {node: node.client.execute_command("CLUSTER", "MYID") for node in (source, target)}
        target.client.execute_command("CLUSTER", "SETSLOT", self._slot, "IMPORTING", names[source])
        source.client.execute_command("CLUSTER", "SETSLOT", self._slot, "MIGRATING", names[target])
        keys = source.client.execute_command("CLUSTER", "GETKEYSINSLOT", self._slot, 1_000)
        if keys:
            source.client.execute_command(
                "MIGRATE", LOOPBACK, target.port, "", 0, 5_000, "AUTH", self._servers.password, "KEYS", *keys
            )
        for node in (target, source):
            node.client.execute_command("CLUSTER", "SETSLOT", self._slot, "NODE", names[target])
        return target

    def _has_the_keys(self, node: Node) -> bool:
        for line in node.client.execute_command("CLUSTER", "NODES").splitlines():
            _, _, flags, _, _, _, _, _, *ranges = line.split()
            if "myself" in flags and "master" in flags:
                return any(self._covers(each) for each in ranges if not each.startswith("["))
        return False

    def _covers(self, span: str) -> bool:
        first, _, last = span.partition("-")
        return int(first) <= self._slot <= int(last or first)

    def _share_slots(self) -> None:
        masters = self.nodes[:3]
        for number, node in enumerate(masters):
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1)
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in zip(self.nodes[1:], self._buses[1:], strict=True):
            self.nodes[0].client.execute_command("CLUSTER", "MEET", LOOPBACK, node.port, bus)
        await_that(lambda: all(map(self._is_joined, self.nodes)), "Cluster")

    def _is_joined(self, node: Node) -> bool:
        known = dict(line.split(":") for line in node.client.execute_command("CLUSTER", "INFO").split())
        return (known["cluster_state"], int(known["cluster_known_nodes"])) == ("ok", len(self.nodes)) and int(
            known["cluster_slots_assigned"]
        ) == SLOTS

    def _replicate(self) -> None:
        owner, replica = self.owner, self.nodes[3]
        replica.client.execute_command("CLUSTER", "REPLICATE", owner.client.execute_command("CLUSTER", "MYID"))
        await_that(lambda: _in_step(replica), "replica in step")


class Watched:
    """A master and a replica under three Sentinels."""

    def __init__(self, servers: _Servers) -> None:
        self._servers = servers
        auth = f"masterauth {servers.password}\nrepl-diskless-sync-delay 0"
        self.master = servers.start(0, further=auth)
        self.replica = servers.start(1, further=f"{auth}\nreplicaof {LOOPBACK} {self.master.port}")
        await_that(lambda: _in_step(self.replica), "replica in step")
        self.sentinels = [servers.start(number, watching=self.master.port) for number in (2, 3, 4)]
        await_that(lambda: all(map(_sees_all, self.sentinels)), "Sentinels that know each other")

    @property
    def url(self) -> str:
        """Where its Sentinels are."""
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in self.sentinels)
        password = self._servers.password
        return f"redis+sentinel://:{password}@{hosts}/{MASTER}/0?sentinel_password={password}"

    def kill_master(self) -> None:
        """End the master, and wait until the replica has its place."""
        self.master.kill()
        await_that(lambda: self.replica.info("replication")["role"] == "master", "failover")


def _in_step(replica: Node) -> bool:
    return bool(replica.info("replication").get("master_link_status") == "up")


def _sees_all(sentinel: Node) -> bool:
    (state,) = sentinel.client.execute_command("SENTINEL", "MASTERS")
    known = dict(zip(state[::2], state[1::2], strict=True))
    return (int(known["num-slaves"]), int(known["num-other-sentinels"])) == (1, 2)


@contextlib.contextmanager
def cluster(directory: Path, key: str, *, replicated: bool = False) -> Iterator[Cluster]:
    """Run a Cluster. Call it from the main thread: Linux stops the servers when the calling thread ends."""
    with contextlib.ExitStack() as stack:
        yield Cluster(_Servers(directory, stack), key, replicated=replicated)


@contextlib.contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    """Run a master, a replica and their Sentinels. Call it from the main thread too."""
    with contextlib.ExitStack() as stack:
        yield Watched(_Servers(directory, stack))
