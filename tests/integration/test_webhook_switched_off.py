"""When a webhook is switched off, and on again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from service.domain.errors import Conflict, NotFound
from service.usecases.ports.webhooks import WebhookChanges
from tests.integration.telling import Telling
from tests.receiver import Receiver, receiver, status


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine, max_tries=1, disable_after=3)


def exhaust(telling: Telling) -> None:
    for ticket in (1, 2, 3):
        telling.happen(ticket)
        telling.send()
        telling.now_due()


def test_it_is_after_so_many_given_up_in_a_row_with_the_reason_shown(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    there.answer = status(500)
    exhaust(telling)
    webhook = telling.webhooks.get(hook.id)
    assert not webhook.is_active
    assert webhook.disabled_at is not None
    assert webhook.disabled_why == "3 deliveries in a row were given up; at the last try: answered 500"
    telling.happen(4)
    assert telling.send() == 0
    assert telling.states() == ["failed"] * 3


def test_it_is_not_when_one_succeeds_in_between(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    there.answers = [status(500), status(500), status(200), status(500), status(500)]
    for ticket in (1, 2, 3, 4, 5):
        telling.happen(ticket)
        telling.send()
        telling.now_due()
    webhook = telling.webhooks.get(hook.id)
    assert (webhook.is_active, webhook.given_up) == (True, 2)


def test_it_is_at_once_when_the_receiver_says_that_it_is_gone(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    there.answer = status(410)
    telling.happen(1)
    telling.happen(2)
    telling.send()
    assert len(there.received) == 1
    webhook = telling.webhooks.get(hook.id)
    assert (webhook.is_active, webhook.disabled_why) == (False, "the receiver answered 410 Gone")
    assert telling.states() == ["failed", "pending"]


def test_switched_on_again_it_begins_anew(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    there.answer = status(500)
    exhaust(telling)
    there.answer = status(200)
    webhook = telling.webhooks.update(hook.id, WebhookChanges(is_active=True))
    assert (webhook.is_active, webhook.disabled_why, webhook.failures, webhook.given_up) == (True, None, 0, 0)
    telling.happen(5)
    telling.send()
    assert there.tickets[-1] == 5
    assert telling.webhooks.redeliver_failed(hook.id) == 3
    assert telling.send() == 3
    assert telling.states() == ["delivered"] * 4


def test_while_it_is_off_nothing_is_sent_by_hand(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url, is_active=False)
    assert telling.webhooks.get(hook.id).disabled_why == "switched off"
    for act in (telling.webhooks.ping, telling.webhooks.redeliver_failed):
        with pytest.raises(Conflict, match="not active"):
            act(hook.id)
    with pytest.raises(NotFound):
        telling.webhooks.ping(hook.id + 1)
