"""A ticket's situation in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from service.domain.model import Cause, Level
from service.domain.policy import is_held
from service.domain.wording import duration
from service.usecases.dispatch_report import prospect
from service.usecases.ports.explanation import AHEAD_LIMIT, Act, Situation

_DONE: Mapping[Cause, str] = {
    Cause.CREATE: "created",
    Cause.IMPORT: "imported",
    Cause.FETCH: "fetched",
    Cause.DISPATCH: "dispatched",
    Cause.START: "started",
    Cause.RESOLVE: "resolved",
    Cause.CLOSE: "closed",
    Cause.SELL: "sold",
    Cause.RELEASE: "released",
    Cause.RETURN: "returned",
    Cause.REASSIGN: "assigned",
    Cause.REOPEN: "reopened",
    Cause.AWAY: "taken back from an agent who is away",
    Cause.HOLD_LIMIT: "taken back from an agent who had not begun it",
    Cause.DEACTIVATE: "taken back from an agent who was deactivated",
    Cause.DELETE: "taken back from an agent who was deleted",
}

_BY_THE_HOLDER = frozenset({Cause.SELL, Cause.RESOLVE})
"""What an agent does to a ticket of theirs; where it also gave them the ticket, it had just been taken back."""


def words(
    found: Situation, *, queued: bool | None, trusted: bool | None, may_take: Mapping[Level, int] | None
) -> tuple[str, ...]:
    """Say in whole sentences where the ticket is, since when and why, and what may become of it."""
    sentences = [_state(found)]
    if found.ticket.agent_id is not None and found.handed is not None and found.handed.cause not in _BY_THE_HOLDER:
        sentences.append(f"{_holder(found)} {_past(found)} it because it was {_done(found.handed)}.")
    if found.ticket.archived_at is not None:
        sentences.append(f"It went to the archive at {found.ticket.archived_at:%Y-%m-%d %H:%M:%S} UTC.")
    if found.warned is not None:
        sentences.append(f"It will go back unless it is begun: {_holder(found)} was {_warned(found.warned)}.")
    if found.ahead is not None and may_take is not None:
        sentences += [_rank(found, found.ahead), _queue(queued=queued, trusted=trusted), _takers(may_take)]
        sentences.append(prospect(found.ticket.priority, found.takers))
    return tuple(sentences)


def _state(found: Situation) -> str:
    ticket = found.ticket
    name, state = f"Ticket {ticket.id} ({ticket.priority})", ticket.status.replace("_", " ")
    if found.entered is None:
        return f"{name} is {state}."
    return f"{name} has been {state} for {duration(found.entered.age_s)}: it was {_done(found.entered)}."


def _holder(found: Situation) -> str:
    return f"Agent {found.agent or found.ticket.agent_id}"


def _past(found: Situation) -> str:
    return "has" if is_held(found.ticket.status) else "had"


def _done(act: Act) -> str:
    done = _DONE.get(act.cause, f"changed ({act.cause})")
    by = f" by {act.actor or f'user {act.actor_id}'}" if act.actor_id is not None else ""
    note = f' ("{act.note}")' if act.note else ""
    return f"{done}{by} at {act.at:%Y-%m-%d %H:%M:%S} UTC{note}"


def _warned(act: Act) -> str:
    return f"warned at {act.at:%Y-%m-%d %H:%M:%S} UTC ({act.note})"


def _rank(found: Situation, ahead: int) -> str:
    kind = f"open {found.ticket.priority} ticket"
    if ahead == 0:
        return f"It is the next {kind}: none is older."
    if ahead > AHEAD_LIMIT:
        return f"More than {AHEAD_LIMIT:,} {kind}s are older."
    return f"It is number {ahead + 1:,} among the {kind}s: {ahead:,} {'is' if ahead == 1 else 'are'} older."


def _queue(*, queued: bool | None, trusted: bool | None) -> str:
    if queued is None:
        return "Redis does not answer; PostgreSQL deals meanwhile, in the same order."
    if not trusted:
        return "The queue in Redis is being rebuilt; PostgreSQL deals meanwhile, in the same order."
    if queued:
        return "Redis has it queued."
    return "Redis does not have it queued: a fetch has just popped it, or the reconciler will put it in within seconds."


def _takers(may_take: Mapping[Level, int]) -> str:
    levels = " and ".join(f"{level}s" for level in may_take)
    return f"{levels.capitalize()} may take it; {', '.join(_counted(may_take))} available with room."


def _counted(may_take: Mapping[Level, int]) -> Iterator[str]:
    for level, count in may_take.items():
        yield f"{count or 'no'} {level}{'' if count == 1 else 's'}"
