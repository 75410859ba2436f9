"""Turns at what is costly: how many work, how many wait, and who is sent away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
from argon2 import PasswordHasher

from service.domain.errors import PasswordsBusy
from service.usecases.passwords import Passwords
from service.usecases.turns import Turns


class Work:
    """Work that lasts until it is told to end; `most` says how many did it at once."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.began = Event()
        self.end = Event()
        self.most = self.now = 0
        self._lock = Lock()

    def do(self) -> None:
        with self.turns.turn():
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            self.began.set()
            assert self.end.wait(30)
            with self._lock:
                self.now -= 1


def test_one_works_and_others_wait_their_turn() -> None:
    work = Work(Turns(at_once=1, waiting=3, patience_s=30))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(work.do) for _ in range(4)]
        work.began.wait(30)
        work.end.set()
        for each in done:
            each.result(30)
    assert work.most == 1


def test_who_finds_all_places_taken_is_sent_away_at_once() -> None:
    work = Work(Turns(at_once=1, waiting=0))
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(work.do)
        work.began.wait(30)
        with pytest.raises(PasswordsBusy) as caught, work.turns.turn():
            pass
        assert caught.value.facts == {"retry_after_s": 1}
        work.end.set()
        busy.result(30)
    with work.turns.turn(), work.turns.turn():
        pass
    with work.turns.turn():
        pass


def test_who_waits_too_long_is_sent_away_and_leaves_the_place_to_others() -> None:
    work = Work(Turns(at_once=1, waiting=1, patience_s=0.01))
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(work.do)
        work.began.wait(30)
        for _ in range(3):
            with pytest.raises(PasswordsBusy), work.turns.turn():
                pass
        work.end.set()
        busy.result(30)


def test_passwords_are_hashed_and_compared_in_turns() -> None:
    turns = Turns(at_once=1, waiting=0)
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), turns=turns)
    with turns.turn(), ThreadPoolExecutor(1) as another:
        with pytest.raises(PasswordsBusy):
            another.submit(passwords.hash, "Correct-horse-7").result(30)
        with pytest.raises(PasswordsBusy):
            another.submit(passwords.matches, "Correct-horse-7", None).result(30)
        assert not passwords.matches("Correct-horse-7", None)  # in the turn that is under way
    assert passwords.matches("Correct-horse-7", passwords.hash("Correct-horse-7"))
