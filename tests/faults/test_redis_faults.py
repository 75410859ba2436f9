"""Redis dies, forgets, lies, is full or refuses to write: PostgreSQL goes on serving, and nothing comes out wrong."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from redis import RedisError

from scripts.ports import free_port
from scripts.waiting import wait_until
from service.domain.model import Priority
from tests.faults.fault import Fault, Kind, Way
from tests.faults.limited_valkey import ValkeyThatMayFillUp
from tests.faults.load import Load
from tests.faults.parts import Server
from tests.faults.proxy import Proxy
from tests.faults.stand import Stand
from tests.faults.verdict import HANDS, Verdict, judge

OpenStand = Callable[..., Stand]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(seed=33) as running:
        yield running


@contextlib.contextmanager
def _traffic(stand: Stand, *, seed: int) -> Iterator[Load]:
    """Let six agents and two creators work before, during and after what the caller does."""
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=seed) as load:
        load.acknowledge(40)
        yield load
        load.acknowledge(60)


def _assert_holds(verdict: Verdict) -> None:
    assert verdict.holds, verdict.problems


def _kill_and_restart(stand: Stand) -> None:
    with _traffic(stand, seed=21) as load, load.fault():
        stand.redis.kill()
        load.acknowledge(100)
        assert "database" in _ways_of_serving(load)
        stand.redis.start()
        load.acknowledge(60)
    _assert_holds(judge(stand, load, "redis-killed", what="kill -9 of Redis under load, restart from its AOF"))


def _ways_of_serving(load: Load) -> set[str | None]:
    """Name the ways by which fetches have been served so far."""
    return {op.served_by for op in load.history.ended() if op.kind == "fetch" and op.outcome == "ok"}


def test_redis_may_be_killed(open_stand: OpenStand) -> None:
    _kill_and_restart(open_stand())


@pytest.mark.faults
def test_redis_may_be_killed_without_a_reconciler(open_stand: OpenStand) -> None:
    _kill_and_restart(open_stand(reconciling=False))


@pytest.mark.faults
def test_redis_may_come_back_empty(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=22) as load, load.fault():
        stand.redis.kill()
        shutil.rmtree(stand.redis.directory / "appendonlydir")
        load.pass_by(40)
        stand.redis.start()
        load.acknowledge(100)
        assert "database" in _ways_of_serving(load)
    _assert_holds(judge(stand, load, "redis-restarted-empty", what="kill -9 of Redis under load, restart without data"))


def test_redis_may_be_flushed(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=23) as load, load.fault():
        for _ in range(3):
            stand.redis_call("FLUSHALL")
            load.acknowledge(50)
        assert "database" in _ways_of_serving(load), "a flushed queue was taken for an empty one"
    _assert_holds(judge(stand, load, "redis-flushed", what="FLUSHALL three times under load"))


@pytest.mark.faults
def test_redis_may_forget_its_scripts(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=24) as load, load.fault():
        for _ in range(20):
            stand.redis_call("SCRIPT", "FLUSH")
            load.acknowledge(10)
    verdict = judge(stand, load, "scripts-flushed", what="SCRIPT FLUSH twenty times under load")
    _assert_holds(verdict)
    assert verdict.unknown == 0
    assert verdict.repairs == 0


def _replicate(stand: Stand, master_port: int | None = None) -> Server:
    """Start a replica and wait until it is up to date; it may be told another way to its master."""
    replica = stand.describe_redis("replica", free_port())
    replica.start()
    with contextlib.closing(stand.redis_client_of(replica)) as client:
        client.config_set("masterauth", stand.redis_password)
        client.execute_command("REPLICAOF", "127.0.0.1", master_port or stand.redis.port)
        assert wait_until(lambda: client.info("replication").get("master_link_status") == "up", 30)  # type: ignore[union-attr]
    return replica


def _assert_stale(stand: Stand, replica: Server) -> None:
    """Make sure that the replica is wrong in every way that the service must bear."""
    hands: dict[int, set[str]] = {}
    for row in stand.sql(HANDS):
        hands.setdefault(row.agent_id, set()).add(str(row.id))
    wrong: Counter[str] = Counter()
    with contextlib.closing(stand.redis_client_of(replica)) as client:
        for priority in Priority:
            queued = set(client.lrange(stand.keys.queue(priority), 0, -1))  # type: ignore[arg-type]
            opened = {str(ticket_id) for ticket_id in stand.open_ids(priority.value)}
            wrong.update(missing=len(opened - queued), phantoms=len(queued - opened))
        for agent_id, hand in hands.items():
            wrong["held sets"] += client.smembers(stand.keys.held(agent_id)) != hand
    assert min(wrong[kind] for kind in ("missing", "phantoms", "held sets")) > 0, wrong


def _promote(stand: Stand, replica: Server) -> None:
    """Let the replica take the dead server's place, at its address."""
    with contextlib.closing(stand.redis_client_of(replica)) as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.config_set("port", stand.redis.port)
    stand.redis = replica


def _lose_to_a_stale_replica(stand: Stand, *, admins: int = 1) -> None:
    replica = _replicate(stand)
    with _traffic(stand, seed=25) as load:
        with contextlib.closing(stand.redis_client_of(replica)) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", 1)  # what it knows stays, and grows old
        load.acknowledge(200)
        with load.fault():
            stand.redis.kill()
            load.pass_by(30)
            _assert_stale(stand, replica)
            _promote(stand, replica)
            load.acknowledge(150)
    verdict = judge(
        stand, load, "stale-replica-promoted",
        what="replication cut, 200 operations later kill -9 of Redis, and the old replica promoted in its place",
    )  # fmt: skip
    _assert_holds(verdict)


def test_a_stale_replica_may_be_promoted(open_stand: OpenStand) -> None:
    _lose_to_a_stale_replica(open_stand(reconciling=False))


@pytest.mark.faults
def test_a_stale_replica_may_be_promoted_and_is_mended(open_stand: OpenStand) -> None:
    _lose_to_a_stale_replica(open_stand())


@pytest.mark.faults
def test_a_frozen_replica_may_be_promoted(open_stand: OpenStand, proxy: Proxy, reconciling: bool) -> None:
    """What its master sends meanwhile is lost with the connection, which would keep it otherwise."""
    stand = open_stand(reconciling=reconciling)
    replica = _replicate(stand, proxy.listen(stand.redis.port))
    with _traffic(stand, seed=26) as load:
        proxy.inject(Fault(kind=Kind.BLACKHOLE, way=Way.REPLY))
        replica.pause()
        load.acknowledge(200)
        with load.fault():
            stand.redis.kill()
            replica.resume()
            _assert_stale(stand, replica)
            _promote(stand, replica)
            load.acknowledge(150)
    verdict = judge(
        stand, load, "frozen-replica-promoted",
        what="replica frozen by SIGSTOP, 200 operations later kill -9 of Redis, and the replica thawed and promoted",
    )  # fmt: skip
    _assert_holds(verdict)


@pytest.mark.faults
def test_redis_may_be_out_of_memory(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=27) as load:
        with load.fault():
            stand.redis_call("CONFIG", "SET", "maxmemory", 1_000_000)
            load.acknowledge(150)
            stand.redis_call("CONFIG", "SET", "maxmemory", 0)
        load.acknowledge(60)
    what = "CONFIG SET maxmemory below what is used, noeviction, and back"
    _assert_holds(judge(stand, load, "redis-out-of-memory", what=what))


@pytest.mark.faults
def test_redis_may_be_a_read_only_replica(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=28) as load:
        with load.fault():
            stand.redis_call("REPLICAOF", "127.0.0.1", 1)
            load.acknowledge(150)
            assert "database" in _ways_of_serving(load)
            stand.redis_call("REPLICAOF", "NO", "ONE")
        load.acknowledge(60)
    what = "Redis made a replica of nobody, which refuses every write, and a master again"
    _assert_holds(judge(stand, load, "redis-read-only", what=what))


@pytest.mark.faults
def test_the_disk_of_redis_may_be_full(open_stand: OpenStand, reconciling: bool) -> None:
    """Its append-only file cannot grow beyond a limit; it then refuses whatever writes (MISCONF)."""
    stand = open_stand(reconciling=reconciling, redis_kind=ValkeyThatMayFillUp)
    with _traffic(stand, seed=29) as load:
        with load.fault():
            assert wait_until(lambda: _fill_disk(stand), 30)
            load.acknowledge(150)
            assert "database" in _ways_of_serving(load)
            stand.redis_call("BGREWRITEAOF")  # what makes room
            assert wait_until(lambda: _disk_state(stand) == "ok", 30)
        load.acknowledge(60)
    what = "the append-only file of Redis cannot grow, as on a full disk, and after a rewrite can again"
    _assert_holds(judge(stand, load, "redis-disk-full", what=what))


def _fill_disk(stand: Stand) -> bool:
    """Write some more, and say whether nothing more can be written."""
    with contextlib.suppress(RedisError):
        stand.redis_call("SET", "filling", "x" * 100_000)
    return _disk_state(stand) == "err"


def _disk_state(stand: Stand) -> str:
    with contextlib.closing(stand.redis_client()) as client:
        return str(client.info("persistence")["aof_last_write_status"])  # type: ignore[index]


@pytest.mark.faults
def test_redis_may_freeze(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    with _traffic(stand, seed=30) as load:
        with load.fault():
            stand.redis.send(signal.SIGSTOP)
            load.acknowledge(150)
            assert "database" in _ways_of_serving(load)
            stand.redis.send(signal.SIGCONT)
        load.acknowledge(60)
    what = "Redis frozen by SIGSTOP: connections stand and nothing is answered, and then all of it"
    _assert_holds(judge(stand, load, "redis-frozen", what=what))
