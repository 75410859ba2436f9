"""Whose next fetch is likely to be dealt something: whose last one was."""

from __future__ import annotations

from uuid import uuid4

from service.domain.model import Availability, Level, Taker
from service.usecases.foresight import MOST, Foresight

ANN = Taker(id=1, level=Level.JUNIOR, availability=Availability.AVAILABLE, is_active=True, capacity=15, held=0)


def test_nothing_is_supposed_of_a_session_that_has_not_fetched() -> None:
    assert Foresight().of(uuid4()) is None


def test_who_was_dealt_something_is_supposed_to_be_dealt_something_again() -> None:
    foresight, session = Foresight(), uuid4()
    foresight.learn(session, ANN, 3)
    supposed = foresight.of(session)
    assert supposed is not None
    assert (supposed.session_id, supposed.agent) == (session, ANN)
    assert foresight.of(uuid4()) is None


def test_who_was_dealt_nothing_is_not() -> None:
    foresight, session = Foresight(), uuid4()
    for _ in range(2):
        foresight.learn(session, ANN, 3)
        foresight.learn(session, ANN, 0)
        assert foresight.of(session) is None


def test_no_more_sessions_are_kept_in_mind_than_so_many() -> None:
    foresight = Foresight()
    sessions = [uuid4() for _ in range(MOST + 1)]
    for session in sessions:
        foresight.learn(session, ANN, 1)
    assert [session for session in sessions if foresight.of(session)] == sessions[-1:]


def test_a_session_kept_in_mind_is_noted_again_without_forgetting_others() -> None:
    foresight = Foresight()
    sessions = [uuid4() for _ in range(MOST)]
    for session in [*sessions, sessions[0]]:
        foresight.learn(session, ANN, 1)
    assert all(foresight.of(session) for session in sessions)
