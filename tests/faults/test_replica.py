"""Lists are read on a replica while it keeps up, and nobody sees less for it; hands and claims never are."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Engine, text

from scripts.waiting import wait_until
from service.store.doctor import PostgresReplicaLook
from service.store.engine import make_engine
from service.store.readings import REST_S, Readings, Server
from service.usecases import doctor_groups as groups
from tests.faults.stand import Stand
from tests.faults.template import DATABASE, Person

OpenStand = Callable[..., Stand]
PATIENCE_S = 60.0
WHO_ANSWERS = text("SELECT pg_is_in_recovery()")


def asks_who(connection: Connection) -> bool:
    """Say whether it is the replica that was asked."""
    return bool(connection.execute(WHO_ANSWERS).scalar_one())


def doctor_says(primary: Engine, replica: Engine) -> str:
    """Return what `fairdeal doctor` would find."""
    [finding] = groups.replica(PostgresReplicaLook(primary, replica).look())
    return finding.says


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A primary, its replica, and the service."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.people = stand.people
        assert stand.standby is not None
        self.standby = stand.standby

    def of_standby(self, statement: str) -> Any:
        """Ask the replica itself, as its superuser."""
        url = self.standby.description.url.removesuffix("/postgres") + f"/{DATABASE}"  # type: ignore[attr-defined]
        with contextlib.closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)
            return cursor.fetchone()[0]  # type: ignore[index]

    def stop_replay(self) -> None:
        """Have the replica know no more than it does; wait until it has stopped."""
        self.of_standby("SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        assert wait_until(lambda: self.of_standby(state) == "paused", PATIENCE_S)

    def resume_replay(self) -> None:
        self.of_standby("SELECT pg_wal_replay_resume()")

    def ask(self, person: Person, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the answer's JSON; only a 2xx will do."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.stand.web_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def listed(self) -> list[int]:
        """List the tickets, the newest first."""
        return [each["id"] for each in self.ask(self.people.admin, "GET", "/api/tickets?sort=-id&limit=100")["items"]]

    def create(self) -> int:
        return int(self.ask(self.people.admin, "POST", "/api/tickets", {"subject": "Printer"})["id"])

    def reads(self) -> dict[str, float]:
        """Count who has answered lists, by the metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stand.web_port}/metrics", timeout=30) as answer:
            families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
        found = families["fairdeal_list_reads"].samples if "fairdeal_list_reads" in families else []
        return {each.labels["server"]: each.value for each in found if each.name.endswith("_total")}

    def await_reads_by(self, server: Server) -> None:
        """List until this one has answered."""
        before = self.reads().get(server, 0)

        def has_answered() -> bool:
            self.listed()
            return self.reads().get(server, 0) > before

        assert wait_until(has_answered, PATIENCE_S), self.reads()


@pytest.fixture(
    params=[True, pytest.param(False, marks=pytest.mark.faults)], ids=["commits-wait", "commits-do-not-wait"]
)
def world(open_stand: OpenStand, request: pytest.FixtureRequest) -> World:
    """A primary whose commits wait for the disk, or one where what was acknowledged may not have been flushed."""
    return World(open_stand(replica=True, reconciling=False, durable=request.param))


def test_lists_are_read_on_the_replica_and_everybody_reads_what_was_written(world: World) -> None:
    ids = [world.create() for _ in range(5)]
    assert world.listed()[:5] == ids[::-1]
    world.await_reads_by(Server.REPLICA)
    lists = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fairdeal-lists'"
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('fairdeal', 'fairdeal-background')"
    assert (world.of_standby(lists) > 0, world.of_standby(others)) == (True, 0)
    assert world.stand.sql(lists)[0].count == 0

    world.stop_replay()
    late = world.create()
    assert world.listed()[0] == late  # by the primary: the replica does not know it
    assert world.of_standby("SELECT max(id) FROM tickets") < late
    assert world.reads()[Server.INSTEAD] > 0
    fetched = world.ask(world.people.agents[0], "POST", "/api/tickets/fetch")
    assert late in [each["id"] for each in fetched["tickets"]]
    held = world.ask(world.people.agents[0], "GET", "/api/tickets/held")
    assert late in [each["id"] for each in held["tickets"]]

    world.resume_replay()
    world.await_reads_by(Server.REPLICA)
    world.standby.kill()
    assert world.listed()[0] == late
    assert world.create() > late
    assert world.listed()[0] > late
    world.standby.start()
    world.await_reads_by(Server.REPLICA)


def test_who_is_away_behind_or_no_replica_is_left_alone_for_a_while(world: World) -> None:
    settings = world.stand.settings
    assert settings.replica_database_url is not None
    primary, replica = (
        make_engine(url, statement_timeout_ms=20_000, pool_size=2, application_name="test")
        for url in (settings.database_url, settings.replica_database_url)
    )
    clock, told = Clock(), list[Server]()
    readings = Readings(primary, replica, tell=told.append, clock=clock)

    def is_replicas(within: Readings = readings) -> bool:
        clock.now += REST_S
        return within.read(asks_who)

    def write() -> None:
        world.stand.sql("UPDATE users SET first_name = first_name || 'x'")

    try:
        assert wait_until(is_replicas, PATIENCE_S)
        assert told[-1] is Server.REPLICA
        assert "It follows the primary" in doctor_says(primary, replica)
        assert "does not follow the primary" in doctor_says(primary, primary)
        world.stop_replay()
        assert "Its replay is paused" in doctor_says(primary, replica)
        write()
        assert [readings.read(asks_who), told[-1]] == [False, Server.INSTEAD]
        world.resume_replay()
        asked = len(told)
        assert [readings.read(asks_who), told[asked:]] == [False, [Server.INSTEAD]]  # it rests
        assert wait_until(is_replicas, PATIENCE_S)

        no_replica = Readings(primary, primary, tell=told.append, clock=clock)
        assert [is_replicas(no_replica), told[-1]] == [False, Server.INSTEAD]
        alone = Readings(primary, tell=told.append, clock=clock)
        assert [is_replicas(alone), told[-1]] == [False, Server.PRIMARY]

        world.standby.kill()
        assert [readings.read(asks_who), told[-1]] == [False, Server.INSTEAD]
        world.standby.start()
        assert wait_until(is_replicas, PATIENCE_S)
    finally:
        primary.dispose()
        replica.dispose()
