"""The service's parts in words: which of them are well, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.dashboard.wording import counted
from service.usecases.health import HealthPart
from service.usecases.operations import Mode, Overview
from service.usecases.ports.operations import JobsState

State = Literal["well", "warn", "bad"]

BANNERS = {
    Mode.NORMAL: "",
    Mode.WITHOUT_QUEUE: "Degraded: Redis does not answer. Tickets are dealt from PostgreSQL alone, correctly but more "
    "slowly; nothing is lost.",
    Mode.REBUILDING: "Degraded: the queue is being built anew. Until then tickets are dealt from PostgreSQL alone, "
    "correctly but more slowly.",
}

LANE_WORDS = {"reconcile": "Work", "messages": "Messages"}
NAMES = {"postgresql": "PostgreSQL", "schema": "Schema", "redis": "Redis"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the service, and how it does."""

    name: str
    state: State
    text: str


def parts(overview: Overview) -> list[Part]:
    """Say how each part does."""
    found = [_checked(NAMES[name], part) for name, part in overview.health.parts.items()]
    found.append(_queue(overview))
    if overview.jobs is None:
        found.append(Part("Workers", "bad", "Unknown while Redis does not answer"))
    else:
        found += _jobs(overview.jobs)
    found.append(
        Part("Clock", "well", f"Kept by {overview.clock}")
        if overview.clock
        else Part("Clock", "bad", "Nobody keeps it: nothing is reconciled and no figures are kept")
    )
    return found


def _checked(name: str, part: HealthPart) -> Part:
    return Part(name, "well", "Answers") if part.ok else Part(name, "bad", part.detail)


def _queue(overview: Overview) -> Part:
    if overview.queue.trusted is None:
        return Part("Queue", "bad", "Unknown while Redis does not answer")
    if not overview.queue.trusted:
        return Part("Queue", "warn", "Lost, and being built anew from PostgreSQL")
    return Part("Queue", "well", f"Trusted, holds {counted(sum((overview.queue.queued or {}).values()), 'ticket')}")


def _jobs(jobs: JobsState) -> Iterator[Part]:
    for lane in jobs.lanes:
        name = f"Workers: {lane_words(lane.lane).lower()}"
        count = sum(worker.lane == lane.lane for worker in jobs.workers)
        waits = f"{counted(lane.waiting, 'job')} waiting, {lane.running} running"
        if count == 0:
            yield Part(name, "bad", f"None is running; {waits}")
        else:
            yield Part(name, "well", f"{counted(count, 'worker')}; {waits}")
    if jobs.failed:
        yield Part("Failed jobs", "warn", f"{counted(jobs.failed, 'job')} failed in the last day")
    else:
        yield Part("Failed jobs", "well", "None in the last day")


def lane_words(lane: str) -> str:
    """Word the name of an RQ queue."""
    return LANE_WORDS.get(lane, lane.capitalize())
