"""What admins do with webhooks: sending again, pinging, changing secrets; and what is never shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from service.domain.errors import InvalidInput, NotFound
from service.domain.webhooks import DeliveryState
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.webhooks import WebhookChanges
from tests.integration.telling import SECRET, Telling, verify
from tests.receiver import Receiver, receiver, status


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def test_a_delivery_is_sent_again_under_its_id_whatever_became_of_it(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    telling.happen(1)
    telling.send()
    [delivery] = telling.webhooks.deliveries(hook.id, (), PageRequest()).items
    again = telling.webhooks.redeliver(hook.id, delivery.id)
    assert (again.state, again.message_id) == (DeliveryState.PENDING, delivery.message_id)
    assert telling.send() == 1
    assert there.ids == [str(delivery.message_id)] * 2
    assert telling.webhooks.delivery(hook.id, delivery.id)[0].attempts == 2


def test_one_given_up_is_given_all_its_tries_again(engine: Engine, there: Receiver) -> None:
    telling = Telling(engine, max_tries=2)
    hook = telling.hook(there.url)
    there.answer = status(500)
    telling.happen(1)
    for _ in range(2):
        telling.send()
        telling.now_due()
    [given_up] = telling.webhooks.deliveries(hook.id, (DeliveryState.FAILED,), PageRequest()).items
    telling.webhooks.redeliver(hook.id, given_up.id)
    telling.send()
    assert telling.states() == ["pending"]
    telling.now_due()
    there.answer = status(200)
    telling.send()
    assert (telling.states(), len(set(there.ids)), len(there.ids)) == (["delivered"], 1, 4)


def test_it_does_not_wait_for_the_receivers_rest(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    telling.has_failed(times=10)
    there.answers = [status(500)]
    telling.happen(1)
    telling.send()
    [delivery] = telling.webhooks.deliveries(hook.id, (), PageRequest()).items
    telling.webhooks.redeliver(hook.id, delivery.id)
    assert telling.send() == 1


def test_a_ping_says_nothing_and_arrives(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    ping = telling.webhooks.ping(hook.id)
    telling.send()
    [got] = there.received
    assert got.told["type"] == "ping"
    assert got.told["data"] == {"delivery_id": str(ping.message_id), "webhook_id": hook.id}
    assert verify(SECRET, got.headers, got.body)


@pytest.mark.parametrize("delivery_id", [99, 0, 2**63])
def test_what_is_not_there_is_told(telling: Telling, there: Receiver, delivery_id: int) -> None:
    one, other = telling.hook(there.url), telling.hook(there.url)
    ping = telling.webhooks.ping(other.id)
    for unknown in (delivery_id, ping.id):
        with pytest.raises(NotFound):
            telling.webhooks.redeliver(one.id, unknown)
        with pytest.raises(NotFound):
            telling.webhooks.delivery(one.id, unknown)


def test_for_a_while_the_old_secret_signs_beside_the_new_one(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    _, new = telling.webhooks.rotate(hook.id)
    telling.happen(1)
    telling.send()
    [got] = there.received
    assert new != SECRET
    assert verify(new, got.headers, got.body)
    assert verify(SECRET, got.headers, got.body)
    with telling.engine.begin() as connection:
        connection.execute(text("UPDATE webhooks SET old_secret_until = now()"))
    telling.happen(2)
    telling.send()
    got = there.received[-1]
    assert verify(new, got.headers, got.body)
    assert not verify(SECRET, got.headers, got.body)


def test_a_secret_of_ones_own_must_be_one(telling: Telling, there: Receiver) -> None:
    with pytest.raises(InvalidInput, match="whsec_"):
        telling.hook(there.url, secret="password")
    hook = telling.hook(there.url)
    assert telling.webhooks.rotate(hook.id, SECRET)[1] == SECRET


def test_they_appear_in_no_record_of_them(telling: Telling, there: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    hook = telling.hook(there.url)
    there.answers = [status(500)]
    telling.happen(1)
    telling.send()
    telling.calm()
    telling.now_due()
    turn = telling.outbox.take_turn(lease_s=60)
    assert turn is not None
    attempt = telling.outbox.next_attempt(turn, lease_s=60)
    shown = repr([telling.webhooks.get(hook.id), attempt, telling.webhooks.page(PageRequest())])
    logged = "".join(str(record.__dict__) for record in caplog.records if record.name.startswith("service"))
    assert SECRET not in shown + logged
    assert "webhook_tried" in logged


def test_a_url_must_lead_to_where_messages_may_go(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    for url in ("http://10.0.0.1/", "http://169.254.169.254/latest", "ftp://x.example/", "http://2130706433/"):
        with pytest.raises(InvalidInput):
            telling.hook(url)
        with pytest.raises(InvalidInput):
            telling.webhooks.update(hook.id, WebhookChanges(url=url))
    assert telling.webhooks.get(hook.id).url == there.url
