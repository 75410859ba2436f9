"""The operators' pages: figures now and over time, runs asked for, failed jobs, and degraded mode on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.dashboard import charts, pages
from service.domain.model import Role
from service.job_queue import Lane, queue_name
from service.ticket_queue.keys import Keys
from service.usecases.operations import Span
from service.usecases.ports.reconcile import RunStatus, Tier
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture
def olga(person: Callable[..., int], root: int) -> int:
    """An operator's id."""
    return person("olga", Role.OPERATOR)


@pytest.fixture
def failed_job(redis_url: str, redis_client: Redis, settings: Settings) -> Iterator[Callable[..., str]]:
    """Leave a job behind as RQ does when it fails; return its id."""
    client = Redis.from_url(redis_url)

    def fail(lane: Lane = Lane.WORK, *, error: str = "Traceback\nValueError: <b>broken</b>") -> str:
        queue = Queue(queue_name(settings.queue_prefix, lane), connection=client, serializer=JSONSerializer)
        job = queue.enqueue_call("workers.jobs.import_tickets", args=(7,))
        queue.remove(job)
        with client.pipeline() as pipeline:
            job._handle_failure(error, pipeline=pipeline, worker_name="w")
            pipeline.execute()
        return str(job.id)

    yield fail
    client.close()


def queue_of(container: Container, lane: Lane = Lane.WORK) -> Queue:
    client = Redis.from_url(container.settings.redis_url)
    return Queue(queue_name(container.settings.queue_prefix, lane), connection=client, serializer=JSONSerializer)


def test_an_operator_begins_at_the_figures(
    visitor: Visit, olga: int, ann: int, tickets: Any, container: Container
) -> None:
    tickets(20)
    container.assignments.fetch(ann)
    seen = visitor("olga").get("/app/")
    assert seen.path == "/app/operations"
    assert "5 <small>tickets</small>" in seen.text
    assert "15 <small>assigned</small>" in seen.text
    assert "Created <b>20</b>" in seen.text
    assert "Trusted, holds 5 tickets" in seen.text
    assert "Workers: work" in seen.text
    assert "None is running" in seen.text
    assert "No figures yet" in seen.text


@pytest.mark.parametrize("path", ["/app/operations", "/app/operations/jobs", "/app/operations/figures/waiting"])
def test_agents_see_none_of_it(visitor: Visit, ann: int, path: str) -> None:
    assert visitor("ann").get(path).status == 403


def test_charts_show_what_was_sampled_also_after_a_restart(
    visitor: Visit, olga: int, container: Container, settings: Settings, tickets: Any
) -> None:
    tickets(7)
    container.sampling.take()
    restarted = build_container(settings)
    try:
        app = create_app(restarted)
        pages.install(app)
        seen = Visitor(app.test_client()).sign_in("olga").get("/app/operations")
        assert 'data-chart="{&#34;times&#34;:' in seen.text
        assert "Waiting tickets (tickets), last hour. Newest: High 0, Medium 7, Low 0." in seen.text
        seen.get("/app/operations/figures/waiting?range=24h")
        assert "Last 24 hours" not in seen.text
        assert '<td class="right number">7</td>' in seen.text
    finally:
        restarted.close()


@pytest.mark.parametrize("name", list(charts.PLANS))
def test_every_chart_is_a_table_for_every_span(
    visitor: Visit, olga: int, container: Container, engine: Engine, name: str
) -> None:
    container.sampling.take()
    with engine.begin() as connection:
        connection.execute(text("UPDATE samples SET span_s = 60"))
    seen = visitor("olga")
    for span in Span:
        seen.get(f"/app/operations/figures/{name}?range={span}")
        assert seen.status == 200
        assert seen.text.count("<tr>") > 50


def test_what_is_no_chart_or_no_span_is_refused(visitor: Visit, olga: int) -> None:
    seen = visitor("olga")
    assert seen.get("/app/operations/figures/nothing").status == 404
    assert seen.get("/app/operations?range=ever").status == 400


def test_an_unchanged_page_is_not_sent_again(visitor: Visit, olga: int, container: Container) -> None:
    seen = visitor("olga").get("/app/operations")
    etag = seen.answer.headers["ETag"]
    again = seen.client.get("/app/operations", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.headers["Fairdeal-Mode"] == "normal"


def test_several_who_look_share_one_look(visitor: Visit, olga: int, container: Container, engine: Engine) -> None:
    first, second = visitor("olga"), visitor("root")
    first.get("/app/operations")
    shared = container.operations.overview()
    second.get("/app/operations")
    assert container.operations.overview() is shared


def test_a_dry_run_is_asked_for_at_once_and_a_run_only_after_asking(
    visitor: Visit, olga: int, container: Container
) -> None:
    seen = visitor("olga").get("/app/operations")
    seen.send("/app/operations/reconciliations", ("act", "dry"))
    assert seen.path == "/app/operations/reconciliations"
    assert "a dry run, which changes nothing" in seen.text
    seen.get("/app/operations/reconciliations/new")
    assert "It compares 0 queued tickets with 0 open tickets" in seen.text
    seen.send("/app/operations/reconciliations", ("act", "run"), tier="fast")
    runs = container.reconciliations.page(_all()).items
    assert [(run.tier, run.dry_run, run.trigger, run.requested_by) for run in runs] == [
        (Tier.FULL, True, "page", olga),
        (Tier.FAST, False, "page", olga),
    ]


def test_a_run_asked_for_twice_by_one_form_is_made_once(visitor: Visit, olga: int, container: Container) -> None:
    seen = visitor("olga").get("/app/operations/reconciliations/new")
    body = seen.filled("/app/operations/reconciliations", ("act", "run"), {"tier": "full"})
    for _ in range(2):
        seen.post("/app/operations/reconciliations", body)
    assert len(container.reconciliations.page(_all()).items) == 1


def test_the_outcome_of_a_run_is_shown_in_words(
    visitor: Visit, olga: int, container: Container, redis_client: Redis, keys: Keys, tickets: Any
) -> None:
    from service.domain.model import Priority

    tickets(3)
    redis_client.rpush(keys.queue(Priority.MEDIUM), "not an id")
    run = container.reconciler.run(tier=Tier.FULL, trigger="api")
    assert run.status is RunStatus.DONE
    seen = visitor("olga").get("/app/operations/reconciliations")
    assert "1 poison entry" in seen.text


def test_a_failed_job_is_shown_with_its_error_and_started_again(
    visitor: Visit, olga: int, failed_job: Callable[..., str], container: Container
) -> None:
    job_id = failed_job()
    seen = visitor("olga").get("/app/operations/jobs")
    assert "workers.jobs.import_tickets(7)" in seen.text
    assert "ValueError: &lt;b&gt;broken&lt;/b&gt;" in seen.text
    seen.send(f"/app/operations/jobs/{job_id}/requeue")
    assert "waits for a worker again" in seen.text
    queue = queue_of(container)
    assert queue.get_job_ids() == [job_id]
    assert len(FailedJobRegistry(queue=queue)) == 0
    queue.connection.close()


def test_starting_a_job_again_twice_starts_it_once(
    visitor: Visit, olga: int, failed_job: Callable[..., str], container: Container
) -> None:
    job_id = failed_job()
    seen = visitor("olga").get("/app/operations/jobs")
    body = seen.filled(f"/app/operations/jobs/{job_id}/requeue", None, {})
    seen.post(f"/app/operations/jobs/{job_id}/requeue", body)
    assert seen.post(f"/app/operations/jobs/{job_id}/requeue", body).status == 404
    queue = queue_of(container)
    assert queue.get_job_ids() == [job_id]
    queue.connection.close()


def test_a_failed_job_is_removed_after_asking(
    visitor: Visit, olga: int, failed_job: Callable[..., str], container: Container
) -> None:
    kept, removed = failed_job(), failed_job(Lane.MESSAGES)
    seen = visitor("olga").get(f"/app/operations/jobs/{removed}/forget")
    assert "1 job is removed for good" in seen.text
    seen.send(f"/app/operations/jobs/{removed}/forget")
    assert "The failed job is removed." in seen.text
    assert [job.id for job in container.operations.failures()] == [kept]
    queue = queue_of(container, Lane.MESSAGES)
    assert not Job.exists(removed, connection=queue.connection)
    queue.connection.close()


def test_a_job_that_has_not_failed_cannot_be_removed(visitor: Visit, olga: int, container: Container) -> None:
    container.reconciliations.request(tier=Tier.FULL)
    queue = queue_of(container)
    (waiting,) = queue.get_job_ids()
    seen = visitor("olga")
    assert seen.get(f"/app/operations/jobs/{waiting}/forget").status == 404
    seen.get("/app/operations")
    token = dict(seen.form("/app/operations/reconciliations").fields)["csrf"]
    assert seen.post(f"/app/operations/jobs/{waiting}/forget", f"csrf={token}").status == 404
    assert queue.get_job_ids() == [waiting]
    queue.connection.close()


def test_while_the_queue_is_rebuilt_every_page_says_so(
    app: Any, visitor: Visit, ann: int, olga: int, redis_client: Redis, keys: Keys
) -> None:
    redis_client.delete(keys.generation)
    assert "the queue is being built anew" in visitor().get("/app/sign-in").text
    desk = visitor("ann").get("/app/desk")
    assert desk.answer.headers["Fairdeal-Mode"] == "rebuilding"
    assert '<p class="degraded" id="degraded" role="status" data-words' in desk.text
    assert "Lost, and being built anew from PostgreSQL" in visitor("olga").get("/app/operations").text


def test_without_redis_the_operator_sees_what_is_known(
    container: Container, settings: Settings, olga: int, tickets: Any
) -> None:
    tickets(3)
    without = build_container(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    try:
        without.sampling.take()
        app = create_app(without)
        pages.install(app)
        seen = Visitor(app.test_client()).sign_in("olga").get("/app/operations")
        assert seen.status == 200
        assert "Degraded: Redis does not answer." in seen.text
        assert "3 <small>tickets</small>" in seen.text
        assert "<small>unknown</small>" in seen.text
        assert "Shade" not in seen.text
        assert '<span class="shade"></span>Degraded' in seen.text
        assert "cannot be read just now" in seen.get("/app/operations/jobs").text
        seen.get("/app/operations")
        seen.send("/app/operations/reconciliations", ("act", "dry"))
        assert seen.status == 503
    finally:
        without.close()


def test_a_page_without_trouble_shows_no_banner(visitor: Visit, ann: int) -> None:
    assert "hidden></p>" in visitor("ann").get("/app/desk").text


def test_a_long_error_is_cut_at_its_beginning(
    visitor: Visit, olga: int, failed_job: Callable[..., str], container: Container
) -> None:
    failed_job(error="x" * 50_000 + "\nRuntimeError: the end")
    (job,) = container.operations.failures()
    assert len(job.error) == 20_000
    assert job.summary == "RuntimeError: the end"


def _all() -> Any:
    from service.usecases.ports.paging import PageRequest

    return PageRequest(limit=50)


def test_drift_that_was_repaired_is_charted_by_kind(
    visitor: Visit, olga: int, container: Container, engine: Engine
) -> None:
    container.sampling.take()
    with engine.begin() as connection:
        connection.execute(text("UPDATE samples SET found = '{\"missing\": 3}', repaired = '{\"missing\": 2}'"))
    text_shown = visitor("olga").get("/app/operations").text
    assert "Missing from the queue 3" in text_shown
    assert "Missing from the queue 2" in text_shown
