"""Lines of many processes on one stream."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from scripts.console import Console


class Pipe:
    """A pipe with both ends at hand."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.reader, self.writer = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    """Two pipes: what a child says, and what the person sees."""
    both = [Pipe(), Pipe()]
    yield both
    for one in both:
        one.close()


def seen(screen: Pipe) -> str:
    os.set_blocking(screen.reader.fileno(), False)
    return (screen.reader.read(1_000_000) or b"").decode()


def test_lines_carry_the_name_of_the_process(pipes: list[Pipe]) -> None:
    said, screen = pipes
    console = Console(screen.writer.fileno())
    console.follow("web", said.reader)
    said.writer.write(b"one\ntwo\r\nhal")
    console.turn(1)
    assert seen(screen) == "web    | one\nweb    | two\n"
    said.writer.write(b"f\n")
    console.turn(1)
    assert seen(screen) == "web    | half\n"


def test_last_line_without_an_end_is_shown_when_the_process_ends(pipes: list[Pipe]) -> None:
    said, screen = pipes
    console = Console(screen.writer.fileno())
    console.follow("web", said.reader)
    said.writer.write(b"last words")
    said.writer.close()
    console.turn(1)
    console.turn(1)
    assert seen(screen) == "web    | last words\n"
    assert said.reader.closed


def test_lines_can_be_taken_instead_of_shown(pipes: list[Pipe]) -> None:
    said, screen = pipes
    console = Console(screen.writer.fileno())
    taken: list[str] = []
    console.follow("setup", said.reader, taken.append)
    said.writer.write(b"secret\n")
    console.turn(1)
    assert (taken, seen(screen)) == (["secret"], "")


def test_reader_that_stands_still_costs_lines_and_not_the_service(pipes: list[Pipe]) -> None:
    _, screen = pipes
    console = Console(screen.writer.fileno())
    for number in range(3000):
        console.say("web", f"{number} {'x' * 100}")
    first = seen(screen)
    assert first.startswith("web    | 0 ")
    console.say("web", "again")
    assert seen(screen).endswith("lines are missing here: nobody read them)\nweb    | again\n")


def test_reader_that_is_gone_does_not_end_the_service(pipes: list[Pipe]) -> None:
    _, screen = pipes
    console = Console(screen.writer.fileno())
    screen.reader.close()
    console.say("web", "to nobody")
    console.say("web", "to nobody")
