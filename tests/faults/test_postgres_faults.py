"""PostgreSQL ends, freezes, is locked, full or read-only: what was acknowledged stays, and the rest is a clean 503."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from scripts.waiting import wait_until
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean, refused
from tests.faults.verdict import judge

OpenStand = Callable[..., Stand]

ENDINGS = {
    "fast": ("fast shutdown (SIGINT)", signal.SIGINT),
    "immediate": ("immediate shutdown (SIGQUIT)", signal.SIGQUIT),
    "killed": ("kill -9", signal.SIGKILL),
}
BEYOND_THE_LEASE_S = 6.0
"""The stand's lease is 4 s."""

TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'fairdeal' AND pid <> pg_backend_pid()
"""


def _verdict(stand: Stand, load: Load, scenario: str, what: str) -> None:
    verdict = judge(stand, load, scenario, what=what)
    check_clean(stand, load)
    assert verdict.holds, verdict.problems


def _restart_under_load(stand: Stand, how: str) -> None:
    words, number = ENDINGS[how]
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=21) as load:
        load.acknowledge(40)
        with load.fault():
            if number is signal.SIGKILL:
                stand.postgres.kill()
            else:
                stand.postgres.stop(number)
            load.pass_by(40)
            stand.postgres.start()
            load.acknowledge(40)
        load.acknowledge(40)
    assert refused(load) > 0
    _verdict(stand, load, f"postgresql-{how}", f"{words} of PostgreSQL under load, then a start")


def test_postgresql_may_end_at_once(open_stand: OpenStand) -> None:
    _restart_under_load(open_stand(durable=True), "immediate")


@pytest.mark.faults
@pytest.mark.parametrize("how", ENDINGS)
def test_postgresql_may_end_and_start_again(open_stand: OpenStand, how: str, reconciling: bool) -> None:
    _restart_under_load(open_stand(durable=True, reconciling=reconciling), how)


@pytest.mark.faults
def test_every_session_may_be_ended_again_and_again(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=22) as load:
        load.acknowledge(30)
        with load.fault():
            for _ in range(15):
                stand.sql(TERMINATE)
                load.pass_by(15)
        load.acknowledge(40)
    _verdict(stand, load, "postgresql-sessions-ended", "pg_terminate_backend of all sessions, 15 times under load")


@contextlib.contextmanager
def _frozen(stand: Stand) -> Iterator[None]:
    """Stop every process of PostgreSQL where it stands; what it was doing it does when it goes on."""
    stand.postgres.pause()  # first, so that no more of them are started
    stopped = [stand.postgres.pid, *stand.postgres.children()]
    for pid in stopped[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.faults
def test_postgresql_may_freeze_and_go_on(open_stand: OpenStand, reconciling: bool) -> None:
    """What nobody waits for any more is carried out all the same when it thaws, long after its 503."""
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, seed=23, timeout_s=30, seconds=150) as load:
        load.acknowledge(30)
        with load.fault():
            with _frozen(stand):
                load.pass_by(12, within_s=60)
            load.acknowledge(40)
        load.acknowledge(40)
    assert refused(load) > 0, "nobody was told; requests hung for as long as PostgreSQL did"
    _verdict(
        stand, load, "postgresql-frozen", "SIGSTOP of all of PostgreSQL until requests were given up, then SIGCONT"
    )


@contextlib.contextmanager
def _locked(stand: Stand, query: str, **values: object) -> Iterator[list[int]]:
    """Hold row locks in a session of somebody else's, for as long as this is entered; lends the ids."""
    with contextlib.closing(stand.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        yield [row.id for row in cursor.fetchall()]
        connection.rollback()


def _hold_beyond_the_lease(load: Load) -> None:
    until = time.monotonic() + BEYOND_THE_LEASE_S
    load.pass_by(30)
    wait_until(lambda: time.monotonic() > until, BEYOND_THE_LEASE_S)


@pytest.mark.faults
def test_an_agents_row_may_be_locked_for_longer_than_the_lease(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(150)
    locked = stand.people.agents[0].id
    with Load(stand, agents=6, creators=2, seed=24) as load:
        load.acknowledge(30)
        with load.fault():
            with _locked(stand, "SELECT id FROM agents WHERE id = %(id)s FOR UPDATE", id=locked):
                _hold_beyond_the_lease(load)
            load.acknowledge(30)
        load.acknowledge(40)
    [window] = load.windows
    served = {op.who_id for op in load.history.ended() if op.outcome == "ok" and window[0] < op.began_s < window[1]}
    assert served >= {agent.id for agent in stand.people.agents[1:6]}, "one agent's lock kept others waiting"
    _verdict(stand, load, "agent-row-locked", "row lock on an agent, held for longer than the lease")


@pytest.mark.faults
def test_tickets_may_be_locked_for_longer_than_the_lease(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(150)
    oldest = "SELECT id FROM tickets WHERE status = 'open' ORDER BY id LIMIT 25 FOR UPDATE SKIP LOCKED"
    with Load(stand, agents=6, creators=2, seed=25) as load:
        load.acknowledge(30)
        with load.fault():
            with _locked(stand, oldest) as ids:
                _hold_beyond_the_lease(load)
                held = stand.sql(
                    "SELECT count(*) AS n FROM tickets WHERE id = ANY(%(ids)s) AND status <> 'open'", ids=ids
                )
                assert held[0].n == 0
            load.acknowledge(30)
        load.acknowledge(40)
    _verdict(stand, load, "ticket-rows-locked", "row locks on the oldest open tickets, held for longer than the lease")


@pytest.mark.faults
def test_there_may_be_too_few_sessions(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=12, creators=3, seed=26) as load:
        load.acknowledge(30)
        with load.fault():
            stand.sql("ALTER ROLE fairdeal CONNECTION LIMIT 3")
            stand.sql(TERMINATE)
            load.pass_by(150)
            stand.sql("ALTER ROLE fairdeal CONNECTION LIMIT -1")
            load.acknowledge(40)
        load.acknowledge(40)
    assert refused(load) > 0
    _verdict(stand, load, "postgresql-sessions-exhausted", "three sessions left for web, worker and clock together")


@pytest.mark.faults
def test_postgresql_may_take_no_writes(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=27) as load:
        load.acknowledge(30)
        with load.fault():
            _read_only(stand, "on")
            assert wait_until(lambda: _readiness(stand) == 503, 10), "ready, although nothing can be written"
            load.pass_by(60)
            _read_only(stand, "off")
            load.acknowledge(40)
        load.acknowledge(40)
    assert _readiness(stand) == 200
    assert refused(load) > 0
    _verdict(
        stand, load, "postgresql-read-only", "PostgreSQL set to read only under load, as after a failover to a standby"
    )


def _read_only(stand: Stand, value: str) -> None:
    stand.sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    stand.sql("SELECT pg_reload_conf()")


def _readiness(stand: Stand) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", stand.web_port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status


@pytest.mark.faults
def test_a_standby_may_take_its_place(open_stand: OpenStand, reconciling: bool) -> None:
    stand = open_stand(standby=True, reconciling=reconciling)
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=52) as load:
        load.acknowledge(40)
        with load.fault():
            stand.fail_over()
            load.acknowledge(40)
        load.acknowledge(40)
    _verdict(stand, load, "postgresql-failover", "kill -9 of PostgreSQL under load; a synchronous standby is promoted")
