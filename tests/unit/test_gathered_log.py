"""Lines are written in batches, in order, and none is lost but by a kill."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from service import gathered_log
from service.gathered_log import GatheringHandler
from service.observability import JsonFormatter, request_id

PATIENCE_S = 30


class Stream(io.StringIO):
    """Count writes, and let nobody write while `open` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.open = threading.Event()
        self.open.set()

    def write(self, text: str) -> int:
        assert self.open.wait(PATIENCE_S)
        self.writes += 1
        return super().write(text)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.getvalue().splitlines()]


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def logger(stream: Stream) -> Iterator[logging.Logger]:
    logger = logging.Logger("gathered", logging.INFO)
    handler = GatheringHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    yield logger
    stream.open.set()
    handler.close()


def wait_for(stream: Stream, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while len(stream.events()) < count and time.monotonic() < until:
        time.sleep(0.01)


def test_lines_are_written_by_themselves_in_few_writes(logger: logging.Logger, stream: Stream) -> None:
    stream.open.clear()
    for n in range(500):
        logger.info("line %d", n)
    stream.open.set()
    wait_for(stream, 500)
    assert stream.events() == [f"line {n}" for n in range(500)]
    assert stream.writes < 50


def test_nobody_who_has_a_line_waits_for_who_writes(logger: logging.Logger, stream: Stream) -> None:
    stream.open.clear()
    for _ in range(3):
        logger.info("line")
        time.sleep(2 * gathered_log.PAUSE_S)  # long enough for the thread to be writing
    assert stream.events() == []


def test_a_warning_is_written_at_once_after_what_came_before_it(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered_log, "PAUSE_S", 3600)
    logger.info("first")
    logger.warning("second")
    assert stream.events() == ["first", "second"]


def test_a_line_names_the_request_it_was_said_in(logger: logging.Logger, stream: Stream) -> None:
    request_id.set("r-1")
    logger.info("inside")
    request_id.set(None)
    logger.info("outside")
    logger.handlers[0].flush()
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert (inside["request_id"], "request_id" in outside) == ("r-1", False)


def test_closing_writes_what_waits_and_later_lines_go_straight(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered_log, "PAUSE_S", 3600)
    logger.info("before")
    logger.handlers[0].close()
    logger.info("after")
    assert stream.events() == ["before", "after"]


def test_where_too_many_wait_whoever_has_a_line_writes_them(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered_log, "PAUSE_S", 3600)
    monkeypatch.setattr(gathered_log, "WAITING_LIMIT", 3)
    for n in range(3):
        logger.info("line %d", n)
    assert len(stream.events()) == 3


def test_a_line_that_cannot_be_written_costs_only_itself(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.info("%d is no number", "this")
    logger.warning("fine")
    assert stream.events() == ["fine"]


def test_a_reader_who_has_gone_costs_nobody_anything(logger: logging.Logger, stream: Stream) -> None:
    stream.close()
    logger.warning("nobody hears this")


def test_where_no_thread_is_to_be_had_lines_are_written_at_once(
    logger: logging.Logger, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    logger.info("fine")
    assert stream.events() == ["fine"]
