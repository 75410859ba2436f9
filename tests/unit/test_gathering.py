"""Questions that come at the same time share a statement, and none is answered by one sent before it was asked."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from service.domain.errors import StoreUnavailable
from service.store.gathering import PATIENCE_S, Gathering
from tests.fakes.line import LIMIT_S, Line

Answer = tuple[str, int]
"""What was asked, and the number of the statement that answered it."""


class Database:
    """Numbers the statements it is sent; a statement lasts until `go_on`, and may fail, after some time or at once."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.now = 0.0
        self._numbers = count()
        self._began: dict[int, Event] = {}
        self._held: dict[int, Event] = {}
        self._failures: dict[int, tuple[BaseException, float]] = {}

    def hold(self, *numbers: int) -> None:
        for number in numbers:
            self._held[number], self._began[number] = Event(), Event()

    def begun(self, number: int) -> None:
        """Wait until a statement that is held has begun."""
        assert self._began[number].wait(LIMIT_S)

    def go_on(self, *numbers: int) -> None:
        for number in numbers or tuple(self._held):
            self._held[number].set()

    def fail(self, number: int, error: BaseException, *, after_s: float = 0.0) -> None:
        self._failures[number] = error, after_s

    def alone(self, key: str) -> Answer:
        return self.together([key])[0]

    def together(self, keys: Sequence[str]) -> list[Answer]:
        number = next(self._numbers)
        self.sent.append(list(keys))
        if number in self._held:
            self._began[number].set()
            assert self._held[number].wait(LIMIT_S)
        if number in self._failures:
            error, took_s = self._failures[number]
            self.now += took_s
            raise error
        return [(key, number) for key in keys]


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database()
    yield made
    made.go_on()


@pytest.fixture
def pool(database: Database) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(12) as made:
        yield made
        database.go_on()


@pytest.fixture
def line(pool: ThreadPoolExecutor) -> Line:
    return Line(pool)


def gathering(database: Database, line: Line, *, most: int = 32) -> Gathering[str, Answer]:
    return Gathering(
        alone=database.alone,
        together=database.together,
        most=most,
        clock=lambda: database.now,
        new_turn=line.new_turn,
    )


@pytest.fixture
def subject(database: Database, line: Line) -> Gathering[str, Answer]:
    return gathering(database, line)


class Crowd:
    """The first statement is under way, for `a`; whoever else asks waits in line."""

    def __init__(self, database: Database, line: Line, pool: ThreadPoolExecutor, subject: Gathering[str, Answer]):
        self._line, self._subject = line, subject
        database.hold(0)
        self.first = pool.submit(subject.ask, "a")
        database.begun(0)

    def join(self, keys: str) -> list[Future[Answer]]:
        return [self._line.join(lambda key=key: self._subject.ask(key))[0] for key in keys]  # type: ignore[misc]


@pytest.fixture
def crowd(database: Database, line: Line, pool: ThreadPoolExecutor, subject: Gathering[str, Answer]) -> Crowd:
    return Crowd(database, line, pool, subject)


def told(asked: Sequence[Future[Answer]]) -> list[Answer]:
    return [each.result(LIMIT_S) for each in asked]


def test_who_is_alone_waits_for_nothing(database: Database, line: Line, subject: Gathering[str, Answer]) -> None:
    assert [subject.ask(key) for key in "ab"] == [("a", 0), ("b", 1)]
    assert len(line) == 0


def test_who_waits_shares_the_next_statement_and_gets_their_own_answer(database: Database, crowd: Crowd) -> None:
    others = crowd.join("bcdb")
    database.go_on(0)
    assert crowd.first.result(LIMIT_S) == ("a", 0)
    assert told(others) == [("b", 1), ("c", 1), ("d", 1), ("b", 1)]
    assert database.sent == [["a"], ["b", "c", "d", "b"]]


def test_nobody_is_answered_by_a_statement_sent_before_they_asked(database: Database, crowd: Crowd) -> None:
    """Not even where it asks the same: what it saw may be over by now."""
    database.hold(1)
    same, others = crowd.join("a"), crowd.join("b")
    database.go_on(0)
    database.begun(1)
    late = crowd.join("ba")
    database.go_on(1)
    assert told([*same, *others, *late]) == [("a", 1), ("b", 1), ("b", 2), ("a", 2)]
    assert database.sent[2] == ["b", "a"]


def test_a_statement_asks_for_so_many_and_no_more(database: Database, line: Line, pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(database, line, pool, gathering(database, line, most=3))
    others = crowd.join("bcdefgh")
    database.go_on(0)
    assert [number for _, number in told(others)] == [1, 1, 1, 2, 2, 2, 3]
    assert database.sent == [["a"], ["b", "c", "d"], ["e", "f", "g"], ["h"]]


def test_when_all_are_answered_the_next_one_is_alone_again(
    database: Database, line: Line, crowd: Crowd, subject: Gathering[str, Answer]
) -> None:
    others = crowd.join("bc")
    database.go_on(0)
    told([crowd.first, *others])
    waited = len(line)
    assert subject.ask("d") == ("d", 2)
    assert len(line) == waited


@pytest.mark.parametrize(
    "error", [StoreUnavailable("gone"), ValueError("a defect"), SystemExit(1), KeyboardInterrupt()], ids=repr
)
def test_a_failure_is_its_leaders_and_the_others_ask_alone(
    database: Database, crowd: Crowd, subject: Gathering[str, Answer], error: BaseException
) -> None:
    database.fail(1, error)
    leader, *others = crowd.join("bcd")
    database.go_on(0)
    with pytest.raises(type(error)) as raised:
        leader.result(LIMIT_S)
    assert raised.value is error
    assert sorted(key for key, _ in told(others)) == ["c", "d"]
    assert sorted(database.sent[2:]) == [["c"], ["d"]]
    assert subject.ask("e") == ("e", 4)


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), ValueError("a defect"), SystemExit(1)], ids=repr)
def test_who_waits_goes_on_when_the_one_before_them_fails(
    database: Database, crowd: Crowd, error: BaseException
) -> None:
    database.fail(0, error)
    others = crowd.join("bc")
    database.go_on(0)
    with pytest.raises(type(error)):
        crowd.first.result(LIMIT_S)
    assert told(others) == [("b", 1), ("c", 1)]


def test_who_comes_while_a_statement_fails_is_not_concerned(database: Database, crowd: Crowd) -> None:
    database.hold(1)
    database.fail(1, StoreUnavailable("gone"), after_s=2 * PATIENCE_S)
    leader, other = crowd.join("bc")
    database.go_on(0)
    database.begun(1)
    late = crowd.join("de")
    database.go_on(1)
    assert told(late) == [("d", 2), ("e", 2)]
    for each in (leader, other):
        with pytest.raises(StoreUnavailable):
            each.result(LIMIT_S)


def test_who_asks_alone_after_a_failure_has_an_error_of_their_own(database: Database, crowd: Crowd) -> None:
    database.fail(1, StoreUnavailable("the first"))
    database.fail(2, StoreUnavailable("the second"))
    _, other = crowd.join("bc")
    database.go_on(0)
    with pytest.raises(StoreUnavailable, match="the second"):
        other.result(LIMIT_S)


def test_a_statement_that_was_stuck_and_failed_is_not_tried_again_by_each(database: Database, crowd: Crowd) -> None:
    """They have waited as long as any request may, for a server that does not answer."""
    database.fail(1, StoreUnavailable("gone"), after_s=2 * PATIENCE_S)
    asked = crowd.join("bcd")
    database.go_on(0)
    raised = [each.exception(LIMIT_S) for each in asked]
    assert [(type(each), str(each)) for each in raised] == [(StoreUnavailable, "gone")] * 3
    assert len({id(each) for each in raised}) == 3, "each thread has an error of its own, with its own traceback"
    assert len(database.sent) == 2


def test_a_defect_is_never_shared_however_long_it_took(database: Database, crowd: Crowd) -> None:
    database.fail(1, ValueError("a defect"), after_s=2 * PATIENCE_S)
    _, other = crowd.join("bc")
    database.go_on(0)
    assert other.result(LIMIT_S) == ("c", 2)


def test_who_has_waited_long_for_a_stuck_statement_asks_alone(
    database: Database, line: Line, crowd: Crowd, subject: Gathering[str, Answer]
) -> None:
    impatient, turn = line.join(lambda: subject.ask("b"))
    others = crowd.join("c")
    turn.run_out()
    assert impatient.result(LIMIT_S) == ("b", 1)
    assert not crowd.first.done()
    database.go_on(0)
    assert told(others) == [("c", 2)]
    assert database.sent == [["a"], ["b"], ["c"]], "and nobody asks for them again"


def test_how_long_somebody_waits_is_bounded(database: Database, pool: ThreadPoolExecutor) -> None:
    """With real turns, and a statement that is stuck until the other is answered."""
    subject = Gathering(alone=database.alone, together=database.together, patience_s=0.001)
    database.hold(0)
    stuck = pool.submit(subject.ask, "a")
    database.begun(0)
    assert subject.ask("b") == ("b", 1)
    database.go_on(0)
    assert stuck.result(LIMIT_S) == ("a", 0)


def test_whose_turn_comes_as_they_lose_patience_leads(
    database: Database, line: Line, crowd: Crowd, subject: Gathering[str, Answer]
) -> None:
    """They have left the line: were they to go alone, nobody would lead any more."""
    impatient, turn = line.join(lambda: subject.ask("b"))
    turn.run_out_when_open()
    others = crowd.join("c")
    database.go_on(0)
    assert told([impatient, *others]) == [("b", 1), ("c", 1)]
    assert subject.ask("d") == ("d", 2)


def test_who_loses_patience_while_asked_for_waits_for_the_answer(
    database: Database, line: Line, crowd: Crowd, subject: Gathering[str, Answer]
) -> None:
    database.hold(1)
    leader = crowd.join("b")
    impatient, turn = line.join(lambda: subject.ask("c"))
    database.go_on(0)
    database.begun(1)
    turn.run_out()
    late = crowd.join("d")
    database.go_on(1)
    assert told([*leader, impatient, *late]) == [("b", 1), ("c", 1), ("d", 2)]
    assert database.sent == [["a"], ["b", "c"], ["d"]]


def test_in_a_crush_everybody_gets_their_own_answer_from_a_statement_sent_after_they_asked(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    subject = Gathering(alone=database.alone, together=database.together, most=4)

    def ask_on(seed: int) -> int:
        keys = random.Random(seed)
        for _ in range(200):
            key, sent = str(keys.randrange(50)), len(database.sent)
            answered, number = subject.ask(key)
            assert answered == key
            assert number >= sent
        return seed

    assert list(pool.map(ask_on, range(12))) == list(range(12))
    assert sum(len(keys) for keys in database.sent) == 12 * 200
