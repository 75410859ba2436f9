"""A carrier in memory, which does with each letter what it is told to."""

from __future__ import annotations

from collections.abc import Callable

from service.usecases.ports.mails import Letter, NotSent


class MemoryCarrier:
    """Keep letters. `fates` says what becomes of the next ones, by recipient; a letter without a fate is accepted.

    `before` and `after` are called around the handing over.
    """

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.fates: dict[str, list[NotSent]] = {}
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.closed = 0

    def send(self, letter: Letter, *, hand_over: Callable[[], None]) -> None:
        """Accept a letter, or fail as told."""
        self.before()
        hand_over()
        self.after()
        if waiting := self.fates.get(letter.recipient):
            raise waiting.pop(0)
        self.letters.append(letter)

    def where(self) -> str:
        """Name the place."""
        return "memory"

    def close(self) -> None:
        """Count."""
        self.closed += 1
