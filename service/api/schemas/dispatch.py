"""Dispatch as JSON: who takes part, what it did lately, what it cannot give to anybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.shape import Answer
from service.domain.model import Level, Priority
from service.usecases.dispatch_report import DispatchState
from service.usecases.ports.dispatch import DispatchDay, Ended, RecordedRun, Takers


class TakersOfLevelAnswer(Answer):
    """Agents of one level who are given tickets without asking (`auto_assign`)."""

    level: Level
    willing: int = Field(description="All of them who are active")
    available: int = Field(description="Those of them who are not away")
    with_room: int = Field(description="Those of these who have room")
    room: int = Field(description="How many tickets these could be given")


class HeldUpAnswer(Answer):
    """A priority of which tickets wait that can be given to nobody."""

    priority: Priority
    why: str


class DispatchDayAnswer(Answer):
    """The last 24 hours."""

    runs: int = Field(description="Runs that gave something, or were refused it")
    rounds: int
    dispatched: int = Field(description="Tickets given")
    refused: int = Field(description="Shares not given, as the agent had gone away or the like meanwhile")
    mean_wait_s: float | None = Field(description="From a ticket's opening until it was given")
    longest_wait_s: float | None


class DispatchRunAnswer(Answer):
    """One run."""

    id: int
    trigger: str = Field(description="`call` for a job of the workers, `cli` for the command")
    started_at: datetime
    finished_at: datetime
    rounds: int
    agents: int = Field(description="Agents who were given something")
    dispatched: int
    refused: int
    mean_wait_s: float | None
    longest_wait_s: float | None
    ended: Ended = Field(description="Why it ended")


class DispatchAnswer(Answer):
    """Dispatch at this moment."""

    takers: list[TakersOfLevelAnswer]
    held_up: list[HeldUpAnswer] = Field(description="What waits and can be given to nobody, and why")
    last_day: DispatchDayAnswer
    recent: list[DispatchRunAnswer] = Field(description="The last 20 runs, the newest first")


def dispatch_json(state: DispatchState) -> dict[str, Any]:
    """Describe dispatch."""
    return {
        "takers": takers_json(state.takers),
        "held_up": [{"priority": priority, "why": why} for priority, why in state.held_up.items()],
        "last_day": _day(state.last_day),
        "recent": [_run(recorded) for recorded in state.recent],
    }


def takers_json(takers: Mapping[Level, Takers]) -> list[dict[str, Any]]:
    """Describe who takes part, the seniors first."""
    names = ("willing", "available", "with_room", "room")
    return [
        {"level": level, **{name: getattr(takers[level], name) for name in names}} for level in sorted(takers)[::-1]
    ]


def _day(day: DispatchDay) -> dict[str, Any]:
    return {
        "runs": day.runs,
        "rounds": day.rounds,
        "dispatched": day.dispatched,
        "refused": day.refused,
        "mean_wait_s": day.mean_wait_s,
        "longest_wait_s": day.waits.longest_ms / 1_000 if day.dispatched else None,
    }


def _run(recorded: RecordedRun) -> dict[str, Any]:
    run = recorded.run
    return {
        "id": recorded.id,
        "trigger": run.trigger,
        "started_at": recorded.started_at,
        "finished_at": recorded.finished_at,
        "rounds": run.rounds,
        "agents": run.agents,
        "dispatched": run.dispatched,
        "refused": run.refused,
        "mean_wait_s": run.waits.total_ms / run.dispatched / 1_000 if run.dispatched else None,
        "longest_wait_s": run.waits.longest_ms / 1_000 if run.dispatched else None,
        "ended": run.ended,
    }
