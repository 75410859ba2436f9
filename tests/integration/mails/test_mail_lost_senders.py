"""Senders that die, are slow, or several: a mail is sent once at the most, its fate known or said not to be."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from service.domain.errors import StoreUnavailable
from service.store.mails import PostgresMails
from service.usecases.mailing import MAX_TRIES, Mails
from service.usecases.ports.mails import MailState, RefusedForNow
from tests.fakes.mail import MemoryCarrier
from tests.integration.mails.mailing import LETTERS, all_mails, mailing, states

ANN = "ann@example.com"


class Killed(BaseException):
    """The sender dies here: nothing of it goes on."""


def die() -> None:
    raise Killed


def test_a_sender_that_dies_before_handing_over_leaves_a_mail_that_is_sent(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.before = die
    with pytest.raises(Killed):
        mailing(engine, carrier).run()
    assert states(engine) == ["sending"]
    carrier.before = lambda: None
    mailing(engine, carrier).run()
    assert carrier.letters == [], "it may still be in good hands"
    mailing(engine, carrier, silent_s=0).run()
    assert (states(engine), len(carrier.letters)) == (["sent"], 1)


def test_a_sender_that_dies_after_handing_over_leaves_a_mail_that_is_not_sent_again(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.after = die
    with pytest.raises(Killed):
        mailing(engine, carrier).run()
    carrier.after = lambda: None
    for _ in range(3):
        mailing(engine, carrier, silent_s=0).run()
    [mail] = all_mails(engine)
    assert (mail.state, mail.sent_to, carrier.letters) == (MailState.UNKNOWN, ANN, [])
    assert mail.last_error is not None
    assert "after it began to hand the message over" in mail.last_error


def test_a_mail_that_kills_every_sender_is_given_up(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.before = die
    for _ in range(MAX_TRIES):
        with pytest.raises(Killed):
            mailing(engine, carrier, silent_s=0).run()
    mailing(engine, carrier, silent_s=0).run()
    assert states(engine) == ["failed"]


def test_a_sender_thought_dead_cannot_hand_over_what_another_has_taken(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    """The first is slow before it hands over; the second takes the mail meanwhile, and sends it."""
    happened("ann")
    slow = MemoryCarrier()
    slow.before = lambda: mailing(engine, carrier, silent_s=0).run()
    mailing(engine, slow).run()
    assert (len(slow.letters), len(carrier.letters), states(engine)) == (0, 1, ["sent"])


def test_late_news_of_a_mail_thought_lost_is_taken(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.after = lambda: mailing(engine, MemoryCarrier(), silent_s=0).run()
    mailing(engine, carrier).run()
    assert (len(carrier.letters), states(engine)) == (1, ["sent"])


def test_a_refusal_that_comes_late_is_no_reason_to_send_what_an_admin_has_redelivered(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    second = MemoryCarrier()

    def meanwhile() -> None:
        mailing(engine, MemoryCarrier(), silent_s=0).run()
        store = PostgresMails(engine)
        Mails(store=store, writer=LETTERS, carrier=second).redeliver(all_mails(engine)[0].id)
        mailing(engine, second).run()

    carrier.after = meanwhile
    carrier.fates[ANN] = [RefusedForNow("451 later")]
    mailing(engine, carrier).run()
    assert (len(second.letters), states(engine)) == (1, ["sent"])


def test_losing_postgresql_after_the_letter_does_not_send_it_twice(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened("ann")

    def lost(*_: object, **__: object) -> bool:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(PostgresMails, "settle", lost)
        with pytest.raises(StoreUnavailable):
            mailing(engine, carrier).run()
    mailing(engine, carrier, silent_s=0).run()
    assert (len(carrier.letters), states(engine)) == (1, ["unknown"])


def test_senders_at_once_send_each_mail_once(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened(*(f"agent{n}" for n in range(20)))
    with ThreadPoolExecutor(4) as pool:
        for running in [pool.submit(mailing(engine, carrier).run) for _ in range(4)]:
            running.result()
    mailing(engine, carrier).run()
    assert sorted(letter.recipient for letter in carrier.letters) == sorted(f"agent{n}@example.com" for n in range(20))
    assert states(engine) == ["sent"] * 20
