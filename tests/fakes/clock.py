"""Time that passes only when told to."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Count seconds; sleeping moves them on, and runs what a test wants to happen meanwhile."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] | None = None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            happening, self.meanwhile = self.meanwhile, None
            happening()
