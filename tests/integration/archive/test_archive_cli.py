"""`fairdeal archive`, and the job: moving by hand and by the clock."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from service.bootstrap import Container, build_container
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings
from service.job_queue import RqJobQueue
from service.store import archive as archive_store
from service.usecases.archive import JOB
from tests.integration.archiving import grow_old, where


@pytest.fixture
def old(container: Container, engine: Engine, make_tickets: Callable[..., list[int]]) -> list[int]:
    ids = make_tickets(5)
    for ticket in ids:
        container.tickets.delete(ticket, actor_id=None)
    grow_old(engine, ids)
    return ids


def run(settings: Settings, *args: str, answer: str = "") -> Result:
    setup = Setup(
        {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
            "QUEUE_PREFIX": settings.queue_prefix,
        }
    )
    return CliRunner().invoke(cli, ("archive", *args), obj=setup, input=answer)


def archived(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM archived_tickets")).scalar_one()
        return count


def test_a_dry_run_counts_and_moves_nothing(settings: Settings, engine: Engine, old: list[int]) -> None:
    result = run(settings, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        "5 closed, sold or deleted tickets have been unchanged for 90 days; the first since "
    )
    assert json.loads(run(settings, "--dry-run", "--json").output)["tickets"] == 5
    assert archived(engine) == 0


def test_it_asks_before_it_moves(settings: Settings, engine: Engine, old: list[int]) -> None:
    assert run(settings, answer="n\n").exit_code == 1
    assert archived(engine) == 0
    result = run(settings, answer="y\n")
    assert result.exit_code == 0, result.output
    assert "5 tickets moved to the archive, with 5 lines of history" in result.output
    assert archived(engine) == 5
    again = run(settings, "--yes")
    assert again.exit_code == 0


def test_what_must_stay_is_told(settings: Settings, engine: Engine, old: list[int]) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM event_cursors"))
    result = run(settings, "--yes", "--older-than", "30d")
    assert "0 tickets moved to the archive" in result.output
    assert "5 stay for now" in result.output


@pytest.mark.parametrize("age", ["7d", "soon", "-1", "90h"])
def test_ages_that_make_no_sense_are_refused(settings: Settings, age: str) -> None:
    result = run(settings, "--older-than", age)
    assert result.exit_code == 2
    assert "8d at the least" in result.output


def test_the_clock_calls_for_a_job_and_the_job_archives(
    settings: Settings, engine: Engine, old: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(RqJobQueue, "enqueue", lambda _self, name, *_a, **_k: bool(called.append(name)) or True)
    built = build_container(settings)
    try:
        built.archiving.look()
        assert called == [JOB]
        assert built.archiving.work().tickets == 5
        called.clear()
        built.archiving.look()
        assert called == []
        built.schedule.tick()
        built.schedule.close()
    finally:
        built.close()
    assert [where(engine, ticket)[:3:2] for ticket in old] == [(0, 1)] * 5


def test_a_run_that_breaks_half_way_is_gone_on_with(
    settings: Settings, container: Container, engine: Engine, old: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.usecases.archive.BATCH", 2)
    settled, calls = archive_store._settled, []

    def broken_later(*args: object) -> list[int]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return settled(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(archive_store, "_settled", broken_later)
    with pytest.raises(KeyboardInterrupt):
        container.archiving.run(older_than_s=90 * 86_400.0)
    assert archived(engine) == 2
    assert container.archiving.run(older_than_s=90 * 86_400.0).tickets == 3
    assert archived(engine) == 5
