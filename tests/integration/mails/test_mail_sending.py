"""Mails from PostgreSQL to their carrier: each at most once by itself, its fate known or said not to be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.errors import Conflict, NotFound
from service.store.mails import PostgresMails
from service.usecases.mailing import FIRST_PAUSE_S, LONGEST_PAUSE_S, MAX_TRIES, Mailing, Mails
from service.usecases.ports.mails import (
    CarrierUnavailable,
    MailState,
    NotSent,
    OutcomeUnknown,
    RefusedForGood,
    RefusedForNow,
)
from tests.fakes.mail import MemoryCarrier
from tests.integration.mails.mailing import (
    LETTERS,
    all_mails,
    mailing,
    make_due,
    set_mails,
    states,
)

ANN = "ann@example.com"


def pause_s(engine: Engine) -> list[float]:
    with engine.connect() as connection:
        query = text("SELECT extract(epoch FROM next_try_at - now())::float FROM mails ORDER BY id")
        return list(connection.execute(query).scalars())


def test_what_happened_is_sent_and_its_end_written(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben")
    mailing(engine, carrier).run()
    assert [letter.recipient for letter in carrier.letters] == [ANN, "ben@example.com"]
    assert [(mail.state, mail.attempts, mail.sent_to) for mail in all_mails(engine)] == [
        (MailState.SENT, 1, ANN),
        (MailState.SENT, 1, "ben@example.com"),
    ]
    mailing(engine, carrier).run()
    assert len(carrier.letters) == 2
    assert carrier.closed == 2


def test_mails_are_sent_while_there_is_no_end_to_the_history(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened("ann")
    mailing(engine, carrier)._plan()
    monkeypatch.setattr(PostgresMails, "plan", lambda *_, **__: 500)
    Mailing(store=PostgresMails(engine), writer=LETTERS, carrier=carrier, clock=count().__next__).run()
    assert states(engine) == ["sent"]


def test_a_refusal_for_now_is_tried_again_later_and_ever_later(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.fates[ANN] = [RefusedForNow("451 later") for _ in range(3)]
    pauses = []
    for _ in range(3):
        mailing(engine, carrier).run()
        pauses += pause_s(engine)
        assert states(engine) == ["waiting"]
        make_due(engine)
    for found, expected in zip(pauses, (FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S), strict=True):
        assert found <= expected
        assert found > expected * 0.9 - 60, "the machine may have slept meanwhile"
    mailing(engine, carrier).run()
    [mail] = all_mails(engine)
    assert (mail.state, mail.attempts, mail.last_error) == (MailState.SENT, 4, "451 later")
    assert len(carrier.letters) == 1


def test_what_does_not_wait_is_not_tried_early(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    mailing(engine, MemoryCarrier())._plan()
    set_mails(engine, "next_try_at = now() + interval '1 hour'")
    mailing(engine, carrier).run()
    assert carrier.letters == []


def test_a_refusal_for_good_is_given_up_at_once_and_says_why(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben")
    carrier.fates[ANN] = [RefusedForGood("The server said: 550 no such user")]
    mailing(engine, carrier).run()
    first, second = all_mails(engine)
    assert (first.state, first.last_error) == (MailState.FAILED, "The server said: 550 no such user")
    assert second.state is MailState.SENT


def test_after_many_tries_it_is_given_up(engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]) -> None:
    happened("ann")
    carrier.fates[ANN] = [RefusedForNow("451 later") for _ in range(MAX_TRIES + 1)]
    for _ in range(MAX_TRIES):
        assert states(engine) in ([], ["waiting"])
        mailing(engine, carrier).run()
        assert all(found <= LONGEST_PAUSE_S for found in pause_s(engine))
        make_due(engine)
    [mail] = all_mails(engine)
    assert (mail.state, mail.attempts) == (MailState.FAILED, MAX_TRIES)
    assert mail.last_error == f"Given up after {MAX_TRIES} tries: 451 later"


def test_an_unknown_outcome_is_never_tried_again_by_itself(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    carrier.fates[ANN] = [OutcomeUnknown("fell silent")]
    mailing(engine, carrier).run()
    make_due(engine)
    mailing(engine, carrier, silent_s=0).run()
    assert states(engine) == ["unknown"]
    assert carrier.letters == []


@pytest.mark.parametrize("trouble", [CarrierUnavailable("connection refused"), OutcomeUnknown("fell silent")])
def test_while_the_server_is_away_the_others_wait_without_being_tried(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None], trouble: NotSent
) -> None:
    happened("ann", "ben", "cho")
    carrier.fates[ANN] = [trouble]
    mailing(engine, carrier).run()
    assert carrier.letters == []
    assert [mail.attempts for mail in all_mails(engine)] == [1, 0, 0]
    assert all(found > 0 for found in pause_s(engine)[1:])
    make_due(engine)
    mailing(engine, carrier).run()
    assert states(engine) == ["unknown" if isinstance(trouble, OutcomeUnknown) else "sent", "sent", "sent"]


def test_whoever_is_not_to_be_reached_any_more_gets_nothing(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben", "cho")
    mailing(engine, MemoryCarrier())._plan()
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET is_active = false WHERE username = 'ann'"))
        connection.execute(text("UPDATE users SET email = NULL WHERE username = 'ben'"))
        connection.execute(text("UPDATE users SET email = 'cho@example.org' WHERE username = 'cho'"))
    mailing(engine, carrier).run()
    assert states(engine) == ["dropped", "dropped", "sent"]
    assert [letter.recipient for letter in carrier.letters] == ["cho@example.org"]


def test_an_address_that_is_none_fails_and_holds_nobody_up(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben")
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET email = E'x\\r\\nRCPT TO:<y@z>' WHERE username = 'ann'"))
    mailing(engine, carrier).run()
    assert states(engine) == ["failed", "sent"]


def hand(engine: Engine, carrier: MemoryCarrier) -> Mails:
    return Mails(store=PostgresMails(engine), writer=LETTERS, carrier=carrier)


@pytest.mark.parametrize("end", [OutcomeUnknown("fell silent"), RefusedForGood("550 no")])
def test_an_admin_may_have_it_sent_again_under_the_same_message_id(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None], end: NotSent
) -> None:
    happened("ann")
    carrier.fates[ANN] = [end]
    mailing(engine, carrier).run()
    [before] = all_mails(engine)
    after = hand(engine, carrier).redeliver(before.id)
    assert (after.state, after.handed_over_at, after.settled_at, after.sent_to) == (MailState.WAITING, None, None, None)
    assert after.attempts_allowed == 1 + MAX_TRIES
    mailing(engine, carrier).run()
    assert states(engine) == ["sent"]
    assert str(before.message_id).encode() in carrier.letters[0].content


def test_what_was_sent_or_waits_is_not_sent_again_by_hand(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann")
    mailing(engine, carrier)._plan()
    [mail] = all_mails(engine)
    with pytest.raises(Conflict, match="'waiting'"):
        hand(engine, carrier).redeliver(mail.id)
    mailing(engine, carrier).run()
    with pytest.raises(Conflict, match="'sent'"):
        hand(engine, carrier).redeliver(mail.id)
    with pytest.raises(NotFound):
        hand(engine, carrier).redeliver(99)


def test_old_mails_are_removed_and_unsent_ones_stay(
    engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben", "cho")
    carrier.fates = {"ben@example.com": [RefusedForNow("451 later")], "cho@example.com": [RefusedForGood("550 no")]}
    mailing(engine, carrier).run()
    set_mails(
        engine,
        "created_at = now() - interval '31 days',"
        " settled_at = CASE state WHEN 'sent' THEN now() - interval '31 days' ELSE settled_at END",
    )
    mailing(engine, carrier).run()
    assert states(engine) == ["waiting", "failed"]


def test_the_metrics_count_mails(
    container: Container, engine: Engine, carrier: MemoryCarrier, happened: Callable[..., None]
) -> None:
    happened("ann", "ben", "cho")
    carrier.fates = {"ben@example.com": [RefusedForNow("451 later")], "cho@example.com": [RefusedForGood("550 no")]}
    mailing(engine, carrier).run()
    set_mails(engine, "created_at = now() - interval '1 hour'")
    figures = container.figures.read().mails
    assert figures is not None
    assert figures.states == {"waiting": 1, "sending": 0, "sent": 1, "failed": 1, "unknown": 0, "dropped": 0}
    assert 3_600 <= figures.oldest_unsent_s < 7_200
