"""Dispatch as the HTTP layer is told of it."""

from __future__ import annotations

from datetime import UTC, datetime

from service.domain.model import Level, Priority
from service.usecases.dispatch_report import DispatchState
from service.usecases.ports.dispatch import DispatchDay, DispatchRun, Ended, RecordedRun, Takers, Waits

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)

DISPATCH = DispatchState(
    takers={Level.JUNIOR: Takers(willing=3, available=2, with_room=1, room=9), Level.SENIOR: Takers()},
    held_up={Priority.HIGH: "No senior."},
    last_day=DispatchDay(runs=2, rounds=3, dispatched=4, refused=1, waits=Waits(total_ms=6_000, longest_ms=3_000)),
    recent=[
        RecordedRun(
            id=1, started_at=NOW, finished_at=NOW,
            run=DispatchRun(
                trigger="call", took_s=0.1, rounds=1, agents=1, dispatched=2, refused=0,
                waits=Waits(total_ms=3_000, longest_ms=2_000), ended=Ended.NOBODY,
            ),
        )
    ],
)  # fmt: skip
