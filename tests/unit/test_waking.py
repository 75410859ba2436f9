"""The bell: what is rung is answered by a look that begins afterwards, and nothing is called that nobody needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scripts.waiting import wait_until
from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.observability import request_id
from service.usecases import waking
from service.usecases.waking import Bell

PATIENCE_S = 30


class Scene:
    """A need that may be there or not, and the calls that were made."""

    def __init__(self) -> None:
        self.needed = True
        self.looks = 0
        self.calls: list[str] = []
        self.callers: list[str | None] = []
        self.trouble: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.looking = threading.Event()

    def is_needed(self) -> bool:
        self.looks += 1
        seen = self.needed
        self.looking.set()
        assert self.gate.wait(PATIENCE_S)
        if self.trouble:
            raise self.trouble.pop()
        return seen

    def call(self, name: str) -> bool:
        self.calls.append(name)
        self.callers.append(request_id.get())
        return True

    def began(self, name: str) -> None:
        raise AssertionError(name)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def bell(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    for name in ("PAUSE_S", "IDLE_PAUSE_S", "OUTAGE_PAUSE_S"):
        monkeypatch.setattr(waking, name, 0.001)
    made = Bell(need=scene, calls=scene)
    yield made
    scene.gate.set()
    made.close()


def test_a_ring_calls_the_job_when_there_is_something_to_do(bell: Bell, scene: Scene) -> None:
    bell.ring()
    assert wait_until(lambda: scene.calls == ["workers.jobs.dispatch"], PATIENCE_S)


def test_a_ring_calls_nobody_when_there_is_nothing_to_do(bell: Bell, scene: Scene) -> None:
    scene.needed = False
    bell.ring()
    bell.close()
    assert scene.looks >= 1
    assert scene.calls == []


def test_many_rings_during_a_look_are_answered_by_one_more(bell: Bell, scene: Scene) -> None:
    """What changes while a look is under way may have come too late for it, so it takes another, and one is enough."""
    scene.gate.clear()
    scene.needed = False
    bell.ring()
    assert scene.looking.wait(PATIENCE_S)
    scene.needed = True
    for _ in range(1_000):
        bell.ring()
    scene.gate.set()
    assert wait_until(lambda: len(scene.calls) == 1, PATIENCE_S)
    bell.close()
    assert (scene.looks, len(scene.calls)) == (2, 1)


@pytest.mark.parametrize("trouble", [QueueUnavailable("gone"), StoreUnavailable("gone"), ValueError("a bug")])
def test_an_outage_only_postpones_the_answer(bell: Bell, scene: Scene, trouble: Exception) -> None:
    scene.trouble = [trouble]
    bell.ring()
    assert wait_until(lambda: len(scene.calls) == 1, PATIENCE_S)


def test_what_was_rung_last_is_answered_before_the_process_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "PAUSE_S", 600)
    bell = Bell(need=scene, calls=scene)
    bell.ring()
    assert wait_until(lambda: len(scene.calls) == 1, PATIENCE_S)
    bell.ring()
    bell.close()
    assert len(scene.calls) == 2
    bell.close()
    assert len(scene.calls) == 2


def test_a_bell_that_was_never_rung_starts_nothing(scene: Scene) -> None:
    bell = Bell(need=scene, calls=scene)
    bell.close()
    assert scene.looks == 0


def test_the_job_is_called_on_behalf_of_who_rang(scene: Scene, bell: Bell) -> None:
    for who in ("r-1", "r-2"):
        token = request_id.set(who)
        bell.ring()
        request_id.reset(token)
        assert wait_until(lambda who=who: who in scene.callers, PATIENCE_S)
    assert scene.callers == ["r-1", "r-2"]


def test_what_is_rung_at_the_end_is_answered_on_behalf_of_who_rang(scene: Scene, bell: Bell) -> None:
    scene.gate.clear()
    bell.ring()
    assert scene.looking.wait(PATIENCE_S)
    token = request_id.set("last")
    bell.ring()
    request_id.reset(token)
    scene.gate.set()
    bell.close()
    assert scene.callers[-1] == "last"
