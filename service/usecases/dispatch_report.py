"""What operators see of dispatch: who takes part, what it did lately, and why something waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.domain.dispatch import DISPATCHED_TO
from service.domain.model import Level, Priority
from service.usecases.ports.dispatch import DispatchDay, DispatchStore, RecordedRun, Takers

RECENT_RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchState:
    """Dispatch at this moment; `held_up` says for each priority that waits for somebody why nobody is given it."""

    takers: Mapping[Level, Takers]
    held_up: Mapping[Priority, str]
    last_day: DispatchDay
    recent: Sequence[RecordedRun]


class DispatchReport:
    """Tell of dispatch."""

    def __init__(self, *, store: DispatchStore) -> None:
        self._store = store

    def read(self) -> DispatchState:
        """Read the present state and the last runs. Raises `StoreUnavailable`."""
        takers, waiting = self._store.takers(), self._store.waiting()
        return DispatchState(
            takers=takers,
            held_up={
                priority: prospect(priority, takers)
                for priority in Priority
                if priority in waiting and not can_be_given(priority, takers)
            },
            last_day=self._store.last_day(),
            recent=self._store.recent(limit=RECENT_RUNS),
        )


def can_be_given(priority: Priority, takers: Mapping[Level, Takers]) -> bool:
    """Say whether there is somebody to give a ticket of this priority to."""
    return any(takers[level].with_room for levels in DISPATCHED_TO[priority] for level in levels)


def prospect(priority: Priority, takers: Mapping[Level, Takers]) -> str:
    """Say whom dispatch gives such a ticket to, or why to nobody, in one sentence."""
    for levels in DISPATCHED_TO[priority]:
        with_room = sum(takers[level].with_room for level in levels)
        if with_room:
            return f"Dispatch gives it to {_who(levels, with_room)} with auto_assign and room."
    may = frozenset[Level]().union(*DISPATCHED_TO[priority])
    willing = sum(takers[level].willing for level in may)
    if not willing:
        return f"Dispatch has nobody to give it to, as no {' or '.join(_names(may))} has auto_assign."
    away = willing - sum(takers[level].available for level in may)
    full = willing - away
    reasons = [f"{count} {what}" for count, what in ((away, "away"), (full, "without room")) if count]
    return f"Dispatch has nobody to give it to: of {_who(may, willing)} with auto_assign, {' and '.join(reasons)}."


def _who(levels: frozenset[Level], count: int) -> str:
    return f"{count} {' or '.join(f'{name}s' if count > 1 else name for name in _names(levels))}"


def _names(levels: frozenset[Level]) -> list[str]:
    return sorted(level.value for level in levels)
