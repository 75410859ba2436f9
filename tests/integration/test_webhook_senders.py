"""Several receivers and several senders at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import Engine

from service.domain.errors import StoreUnavailable
from tests.integration.telling import Telling, until
from tests.receiver import Receiver, receiver, status


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def test_a_slow_receiver_holds_nobody_else_up(engine: Engine, there: Receiver) -> None:
    with receiver() as slow:
        slow.answer = slow.hang
        telling = Telling(engine, timeout_s=100.0)
        telling.hook(slow.url)
        telling.hook(there.url)
        for ticket in range(1, 31):
            telling.happen(ticket)
        telling.calm()
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(telling.sending().run)
            until(lambda: len(there.received) == 30, "the others' messages")
            telling.happen(31)
            until(lambda: len(there.received) == 31, "what happened meanwhile")
            assert len(slow.received) == 1, "one at a time"
            assert not run.done()
            slow.released.set()
            run.result()


def test_a_long_backlog_of_one_does_not_starve_another(telling: Telling, there: Receiver) -> None:
    with receiver() as busy:
        telling.hook(busy.url)
        for ticket in range(1, 101):
            telling.happen(ticket)
        telling.calm()
        telling.outbox.spread(limit=1_000)
        telling.hook(there.url)
        telling.happen(101)
        telling.send()
        assert there.tickets == [101]
        assert busy.tickets == list(range(1, 102))


def test_two_senders_send_each_delivery_once_and_in_order(telling: Telling) -> None:
    with receiver() as one, receiver() as two, receiver() as three:
        for each in (one, two, three):
            telling.hook(each.url)
        for ticket in range(1, 61):
            telling.happen(ticket)
        telling.calm()
        together = threading.Barrier(2)

        def send() -> int:
            together.wait()
            return telling.sending().run()

        with ThreadPoolExecutor(2) as pool:
            sent = [each.result() for each in [pool.submit(send), pool.submit(send)]]
        while telling.send():  # what one found taken by the other
            pass
        for each in (one, two, three):
            assert each.tickets == list(range(1, 61))
            assert len(set(each.ids)) == 60
        assert sum(sent) <= 180


def test_one_who_was_taken_for_dead_settles_nothing(telling: Telling, there: Receiver) -> None:
    telling.hook(there.url)
    telling.happen(1)
    telling.calm()
    entered, go_on = threading.Event(), threading.Event()

    def wait_then_fail(handler: BaseHTTPRequestHandler) -> None:
        entered.set()
        go_on.wait(60)
        status(500)(handler)

    there.answers = [wait_then_fail]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(telling.sending().run)
        assert entered.wait(60)
        telling.lease_runs_out()
        assert telling.send() == 1
        assert telling.states() == ["delivered"]
        go_on.set()
        first.result()
    assert telling.states() == ["delivered"]
    assert len(set(there.ids)) == 1
    assert telling.rows("SELECT failures, delivered FROM webhooks") == [(0, 1)]


def test_a_message_taken_whose_success_could_not_be_written_down_is_sent_again(
    telling: Telling, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling.hook(there.url)
    telling.happen(1)
    telling.calm()
    with monkeypatch.context() as broken:
        broken.setattr(telling.outbox, "settle", _unable)
        with pytest.raises(StoreUnavailable):
            telling.sending().run()
    assert telling.states() == ["pending"]
    assert telling.send() == 1
    assert telling.states() == ["delivered"]
    assert len(there.ids) >= 2
    assert len(set(there.ids)) == 1


def _unable(*_: object, **__: object) -> bool:
    raise StoreUnavailable("PostgreSQL did not answer")


def test_a_webhook_deleted_while_it_is_told_ends_quietly(telling: Telling, there: Receiver) -> None:
    hook = telling.hook(there.url)
    telling.happen(1)
    telling.happen(2)
    telling.calm()

    def delete(handler: BaseHTTPRequestHandler) -> None:
        telling.webhooks.delete(hook.id)
        status(200)(handler)

    there.answers = [delete]
    assert telling.sending().run() == 1
    assert len(there.received) == 1
