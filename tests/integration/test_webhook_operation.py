"""Webhooks as operators see them: the command line, the metrics, the tidying, and what the statements cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.store import webhook_outbox
from tests.integration.telling import SECRET, Telling
from tests.receiver import Receiver, receiver, status


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine, max_tries=1)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def run(container: Container, *args: str) -> Result:
    return CliRunner().invoke(cli, args, obj=Setup({}, container=container))


def test_the_list_shows_how_webhooks_fare_and_no_secret(
    telling: Telling, there: Receiver, container: Container
) -> None:
    telling.hook(there.url)
    telling.hook(there.url, is_active=False)
    there.answers = [status(500)]
    telling.happen(1)
    telling.send()
    shown = run(container, "webhooks", "list").output
    assert [line.split()[-1] for line in shown.splitlines()[1:]] == ["failing", "off"]
    listed = json.loads(run(container, "webhooks", "list", "--json").output)
    assert [one["is_active"] for one in listed] == [True, False]
    assert SECRET not in shown + str(listed)


def test_what_was_given_up_is_sent_again(telling: Telling, there: Receiver, container: Container) -> None:
    hook = telling.hook(there.url)
    there.answers = [status(500), status(500)]
    for ticket in (1, 2):
        telling.happen(ticket)
        telling.send()
        telling.now_due()
    assert telling.states() == ["failed", "failed"]
    assert "to be sent again: 2" in run(container, "webhooks", "redeliver", str(hook.id), "--failed").output
    telling.send()
    assert telling.states() == ["delivered", "delivered"]
    [first, _] = telling.rows("SELECT id FROM webhook_deliveries ORDER BY id")
    assert run(container, "webhooks", "redeliver", str(hook.id), str(first.id)).exit_code == 0
    assert telling.states() == ["pending", "delivered"]
    for wrong in ([], ["5", "--failed"]):
        assert run(container, "webhooks", "redeliver", str(hook.id), *wrong).exit_code == 2
    assert run(container, "webhooks", "redeliver", "99", "--failed").exit_code == 1


def test_metrics_count_deliveries_and_tell_the_oldest(telling: Telling, there: Receiver, container: Container) -> None:
    def scrape() -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(create_app(container).test_client().get("/metrics").text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}

    assert scrape()["fairdeal_webhook_oldest_pending_seconds",] == 0
    telling.hook(there.url)
    there.answers = [status(200), status(500)]
    for ticket in (1, 2):
        telling.happen(ticket)
        telling.send()
    telling.happen(3)
    telling.calm()
    telling.outbox.spread(limit=100)
    with telling.engine.begin() as connection:
        connection.execute(
            text("UPDATE webhook_deliveries SET created_at = now() - interval '90 s' WHERE state = 'pending'")
        )
    shown = scrape()
    assert [shown["fairdeal_webhook_deliveries", state] for state in ("pending", "failed", "delivered")] == [1, 1, 1]
    assert 90 <= shown["fairdeal_webhook_oldest_pending_seconds",] < 900
    assert shown["fairdeal_webhooks_disabled",] == 0
    there.answers = [status(410)]
    telling.now_due()
    telling.send()
    shown = scrape()
    assert shown["fairdeal_webhooks_disabled",] == 1
    assert shown["fairdeal_webhook_oldest_pending_seconds",] == 0


def test_tidying_removes_what_is_kept_no_longer_and_passes_over_what_nobody_wants(
    telling: Telling, there: Receiver
) -> None:
    telling.happen(1)
    telling.calm()
    telling.sending().tidy()
    [cursor] = telling.rows("SELECT CAST(CAST(xact AS text) AS bigint) AS xact FROM event_cursors")
    [event] = telling.rows("SELECT CAST(CAST(xact AS text) AS bigint) AS xact FROM ticket_events")
    assert cursor.xact > event.xact
    telling.hook(there.url)
    telling.happen(2)
    telling.send()
    with telling.engine.begin() as connection:
        connection.execute(text("UPDATE webhook_deliveries SET created_at = now() - interval '15 days'"))
    assert telling.sending().tidy() == 1
    assert telling.states() == []


@pytest.mark.parametrize("name", ["IS_DUE", "TAKE", "NEXT"])
def test_what_is_due_is_found_by_an_index(telling: Telling, there: Receiver, name: str) -> None:
    hook = telling.hook(there.url)
    fill = """
    INSERT INTO webhook_deliveries (webhook_id, kind, state, next_try_at)
    SELECT :id, 'ping', CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'delivered' END,
           CASE WHEN n % 10 = 0 THEN now() + interval '1 hour' END FROM generate_series(1, 50000) AS n
    """
    with telling.engine.begin() as connection:
        connection.execute(text(fill), {"id": hook.id})
        connection.execute(text("ANALYZE webhook_deliveries"))
        values = {"lease_s": 1, "webhook_id": hook.id, "lease": 0}
        statement = str(getattr(webhook_outbox, name))
        wanted = {key: value for key, value in values.items() if f":{key}" in statement}
        rows = connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"), wanted).scalar_one()
        connection.rollback()
    nodes = list(_nodes(rows[0]["Plan"]))
    assert "webhook_deliveries_due_idx" in {node.get("Index Name") for node in nodes}
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and "deliveries" in node["Relation Name"]]
    assert rows[0]["Plan"]["Shared Hit Blocks"] + rows[0]["Plan"]["Shared Read Blocks"] < 50


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
