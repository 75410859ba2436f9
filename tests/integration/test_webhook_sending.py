"""Sending, to a real receiver: signed, in order, again when it failed, given up and switched off in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from scripts.ports import free_port
from service.domain.webhooks import DeliveryState
from service.usecases.ports.paging import PageRequest
from tests.integration.telling import SECRET, Telling, until, verify
from tests.receiver import Receiver, receiver, status


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def test_a_message_says_what_happened_and_who_did_it_and_is_signed(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    with telling.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch, note,"
                " priority) VALUES (7, 'release', 'assigned', 'open', 5, 6, 3, 'a customer''s name', 'high')"
            )
        )
    assert telling.send() == 1
    [got] = there.received
    told = got.told
    [delivery] = telling.webhooks.deliveries(hook.id, (), PageRequest()).items
    assert (told["type"], told["data"]["delivery_id"], told["data"]["webhook_id"]) == ("ticket.events", got.id, hook.id)
    assert got.id == str(delivery.message_id)
    [event] = told["data"]["events"]
    assert event.pop("at").endswith("Z")
    assert event == {
        "id": delivery.event_ids[0], "ticket_id": 7, "cause": "release", "actor_id": 6, "from_status": "assigned",
        "to_status": "open", "agent_id": 5, "from_agent_id": None, "priority": "high", "epoch": 3,
    }  # fmt: skip
    assert got.headers["content-type"] == "application/json"
    assert verify(SECRET, got.headers, got.body)
    assert not verify(SECRET, got.headers, got.body + b" ")
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.DELIVERED, 1, 204)


def test_deliveries_come_in_order(telling: Telling, there: Receiver) -> None:
    telling.hook(there.url)
    for ticket in range(1, 41):
        telling.happen(ticket)
    assert telling.send() == 40
    assert there.tickets == list(range(1, 41))
    assert len(set(there.ids)) == 40


@pytest.mark.parametrize("code", [500, 503, 404, 302, 429])
def test_what_was_refused_is_sent_again_under_the_same_id_with_a_fresh_signature(
    telling: Telling, there: Receiver, code: int
) -> None:
    hook = telling.hook(there.url)
    there.answers = [status(code)]
    telling.happen(1)
    telling.send()
    [delivery] = telling.webhooks.deliveries(hook.id, (), PageRequest()).items
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.PENDING, 1, code)
    assert delivery.next_try_at is not None
    assert telling.webhooks.get(hook.id).failures == 1
    assert telling.send() == 0, "not due yet"
    telling.now_due()
    assert telling.send() == 1
    first, second = there.received
    assert (first.id, first.body) == (second.id, second.body)
    assert verify(SECRET, second.headers, second.body)
    webhook = telling.webhooks.get(hook.id)
    assert (webhook.failures, webhook.failing_since, webhook.delivered) == (0, None, 1)
    assert telling.states() == ["delivered"]


def test_a_timestamp_is_that_of_the_try(telling: Telling, there: Receiver) -> None:
    telling.hook(there.url)
    there.answers = [status(500)]
    telling.happen(1)
    telling.send()
    began = int(there.received[0].headers["webhook-timestamp"])
    until(lambda: int(time.time()) > began, "another second")
    telling.now_due()
    telling.send()
    assert int(there.received[1].headers["webhook-timestamp"]) > began


def test_a_receiver_that_is_not_there_is_tried_again(telling: Telling) -> None:
    hook = telling.hook(f"http://127.0.0.1:{free_port()}/")
    telling.happen(1)
    telling.send()
    [refused] = telling.webhooks.deliveries(hook.id, (), PageRequest()).items
    assert (refused.state, refused.last_status) == (DeliveryState.PENDING, None)
    assert "refused" in (refused.last_error or "")


def test_a_receiver_that_says_nothing_is_tried_again(engine: Engine, there: Receiver) -> None:
    impatient, patient = Telling(engine, timeout_s=1.0), Telling(engine)
    hook = impatient.hook(there.url)
    there.answer = there.hang
    impatient.happen(1)
    impatient.send()
    [waited] = impatient.webhooks.deliveries(hook.id, (), PageRequest()).items
    assert (waited.state, waited.last_status) == (DeliveryState.PENDING, None)
    assert waited.last_error == "no answer within 1 s"
    there.answer = status(200)
    patient.now_due()
    patient.send()
    assert there.tickets[-1] == 1
    assert patient.states() == ["delivered"]


def test_pauses_grow_from_try_to_try(engine: Engine, there: Receiver) -> None:
    telling = Telling(engine, first_s=100.0)
    telling.hook(there.url)
    there.answer = status(500)
    telling.happen(1)
    pauses = []
    query = "SELECT extract(epoch FROM next_try_at - last_tried_at) AS pause FROM webhook_deliveries"
    for _ in range(3):
        telling.send()
        pauses.append(float(telling.rows(query)[0].pause))
        telling.now_due()
    # 75, 150 and 300 s by the chance of these tests, and however long the try took.
    assert [75 <= pauses[0] < 150, 150 <= pauses[1] < 300, 300 <= pauses[2] < 600] == [True] * 3


def test_after_a_failure_the_receiver_rests_and_what_else_waits_for_it_waits(telling: Telling, there: Receiver) -> None:
    telling.hook(there.url)
    there.answer = status(500)
    for ticket in (1, 2, 3):
        telling.happen(ticket)
    telling.has_failed(times=10)  # for half a minute and more, then
    telling.send()
    assert telling.send() == 0
    assert there.tickets == [1]


def test_patience_ends_and_the_delivery_is_given_up(engine: Engine, there: Receiver) -> None:
    telling = Telling(engine, max_tries=3)
    hook = telling.hook(there.url)
    there.answer = status(500)
    telling.happen(1)
    for _ in range(3):
        telling.send()
        telling.now_due()
    assert telling.states() == ["failed"]
    webhook = telling.webhooks.get(hook.id)
    assert (webhook.is_active, webhook.given_up, webhook.failures) == (True, 1, 3)
    assert telling.send() == 0
