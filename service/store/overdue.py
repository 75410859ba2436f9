"""Which tickets are overdue, as a condition on their rows; `service.domain.service_levels` says it of one ticket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_

from service.domain.model import Priority, TicketStatus
from service.domain.service_levels import UNRESOLVED, Targets
from service.store.rows import NOW
from service.store.tables import tickets


def is_overdue(targets: Targets) -> ColumnElement[bool]:
    """Keep what has waited too long for its first assignment, or for its resolution.

    Nobody has ever had a ticket whose epoch is 0. The states stand first, and in these words, for the sake of
    `tickets_unresolved_idx`.
    """
    unassigned = and_(tickets.c.status == TicketStatus.OPEN.value, tickets.c.epoch == 0)
    return and_(
        tickets.c.status.in_([status.value for status in UNRESOLVED]),
        or_(and_(unassigned, _older(targets.assign_s)), _older(targets.resolve_s)),
    )


def _older(than_s: Mapping[Priority, int]) -> ColumnElement[bool]:
    return or_(
        *(
            and_(tickets.c.priority == priority.value, tickets.c.created_at < NOW - timedelta(seconds=seconds))
            for priority, seconds in than_s.items()
        )
    )
