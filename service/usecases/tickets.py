"""Tickets as records: create (which queues them), read, change, delete, and their history."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from service.domain.errors import InvalidInput, NotFound, StoreUnavailable
from service.domain.model import Cause, Page, Principal, QueuedTicket, Role, Ticket, TicketEvent, TicketStatus
from service.domain.ticket_rules import clean_description, clean_row, clean_subject
from service.usecases.hints import follow, opened
from service.usecases.ports.imports import ImportMark
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import (
    ImportedTicket,
    TicketChanges,
    TicketCount,
    TicketDraft,
    TicketFilter,
    TicketPlaces,
    TicketStore,
)

MAX_SEVERAL = 500
"""Tickets that can be looked at together by their ids."""

log = logging.getLogger(__name__)


class Tickets:
    """Keep tickets; every created one queues itself after commit."""

    def __init__(self, *, store: TicketStore, queue: TicketQueue, places: TicketPlaces) -> None:
        self._store = store
        self._queue = queue
        self._places = places

    def create(self, draft: TicketDraft, *, actor_id: int | None, operation_id: UUID | None = None) -> Ticket:
        """Create one ticket; trying again with the same `operation_id` returns the one created.

        Raises `InvalidInput`, `AlreadyExists` (another ticket has the external id), `StoreUnavailable`.
        """
        [created] = self._store.create(
            [clean_draft(draft)], actor_id=actor_id, cause=Cause.CREATE, operation_id=operation_id
        )
        if created.status is TicketStatus.OPEN:
            self._enqueue([created])
        return created

    def create_many(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, cause: Cause = Cause.IMPORT
    ) -> list[Ticket]:
        """Create tickets in one transaction, in the order given, then queue them.

        Once this returns they are never lost: if the queue did not hear of them, the reconciler will tell it.
        Raises `InvalidInput`, `StoreUnavailable`.
        """
        created = self._store.create([clean_draft(draft) for draft in drafts], actor_id=actor_id, cause=cause)
        self._enqueue(created)
        return created

    def import_many(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, mark: ImportMark | None = None
    ) -> list[ImportedTicket]:
        """Create, in one transaction and in order, those tickets whose external ids are not there yet.

        The drafts are clean already, and `mark` is written in the same transaction; `queue_imported` is still to be
        called. Returns the ticket of each draft. Raises `StoreUnavailable`, and `Conflict` for the mark of an attempt
        that another one has followed.
        """
        return self._store.import_many(drafts, actor_id=actor_id, mark=mark)

    def queue_imported(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
        """Queue those of `import_many` that are new."""
        new = [
            QueuedTicket(found.ticket_id, draft.priority)
            for draft, found in zip(drafts, imported, strict=True)
            if found.is_new
        ]
        opened(self._queue, self._places, new)

    def refresh_statistics(self, *, new: int) -> None:
        """Let PostgreSQL see that there are so many more tickets than before, if that is much and it can just now."""
        try:
            self._store.refresh_statistics(new=new)
        except StoreUnavailable:
            log.warning("statistics_not_refreshed")  # it will do so by itself, within minutes

    def named(self, external_ids: Sequence[str]) -> dict[str, int]:
        """Say which tickets have these external ids, deleted ones included. Raises `StoreUnavailable`."""
        return self._store.named(external_ids)

    def get(self, ticket_id: int, *, viewer: Principal) -> Ticket:
        """Read one ticket. Raises `NotFound`, also for an agent who asks for somebody else's."""
        ticket = self._store.get(ticket_id)
        if ticket is None or (viewer.role is Role.AGENT and ticket.agent_id != viewer.user_id):
            raise NotFound(f"There is no ticket {ticket_id}")
        return ticket

    def several(self, ids: Sequence[int], *, viewer: Principal) -> tuple[Ticket, ...]:
        """Read those of the tickets that are there, in creation order: `MAX_SEVERAL` at the most."""
        wanted, request = TicketFilter(ids=tuple(ids)), PageRequest(limit=MAX_SEVERAL)
        found = self.page(wanted, request, viewer=viewer).items
        if len(found) < len(set(ids)):
            archived = self.page(replace(wanted, archived=True), request, viewer=viewer).items
            found = tuple(sorted((*found, *archived), key=lambda ticket: ticket.id))
        return found

    def page(self, wanted: TicketFilter, request: PageRequest, *, viewer: Principal) -> Page[Ticket]:
        """List tickets; an agent sees their own alone. Raises `InvalidInput`."""
        if viewer.role is Role.AGENT:
            if wanted.agent_id not in (None, viewer.user_id):
                return Page(items=(), next=None, total=0, total_is_exact=True)
            wanted = replace(wanted, agent_id=viewer.user_id)
        _check_text(wanted)
        return self._store.page(wanted, request)

    def count(self, wanted: TicketFilter) -> TicketCount:
        """Count all the tickets that a filter finds, for somebody who may see them all. Raises `InvalidInput`."""
        _check_text(wanted)
        return self._store.count(wanted)

    def update(
        self, ticket_id: int, changes: TicketChanges, *, actor_id: int | None, expected_epoch: int | None = None
    ) -> Ticket:
        """Change a ticket's fields. A new priority moves a queued ticket to the place its id has in the other queue.

        Raises `InvalidInput`, `NotFound`, `StaleEpoch`.
        """
        clean = clean_changes(changes)
        before, after = self._store.update(ticket_id, clean, actor_id=actor_id, expected_epoch=expected_epoch)
        follow(self._queue, self._places, [(before, after)])
        return after

    def delete(self, ticket_id: int, *, actor_id: int | None, expected_epoch: int | None = None) -> None:
        """Delete a ticket: it leaves queue and hand, its history stays. Raises `NotFound`, `StaleEpoch`."""
        before = self._store.delete(ticket_id, actor_id=actor_id, expected_epoch=expected_epoch)
        follow(self._queue, self._places, [(before, None)])

    def history(self, ticket_id: int, request: PageRequest, *, viewer: Principal) -> Page[TicketEvent]:
        """List what happened to a ticket, oldest first. Raises `NotFound` as `get` does, `InvalidInput`."""
        self.get(ticket_id, viewer=viewer)
        return self._store.history(ticket_id, request)

    def _enqueue(self, created: Sequence[Ticket]) -> None:
        opened(self._queue, self._places, [QueuedTicket(ticket.id, ticket.priority) for ticket in created])


def _check_text(wanted: TicketFilter) -> None:
    if wanted.text is not None and "\x00" in wanted.text:
        raise InvalidInput(("q", "must not contain a NUL character"))


def clean_draft(draft: TicketDraft) -> TicketDraft:
    """Trim and check a draft's texts. Raises `InvalidInput` naming every bad field."""
    subject, description, priority, external_id = clean_row(
        subject=draft.subject,
        description=draft.description,
        priority=draft.priority,
        external_id=draft.external_id or "",
    )
    return TicketDraft(subject=subject, description=description, priority=priority, external_id=external_id)


def clean_changes(changes: TicketChanges) -> TicketChanges:
    """Trim and check the texts of changes. Raises `InvalidInput`."""
    return TicketChanges(
        subject=None if changes.subject is None else clean_subject(changes.subject),
        description=None if changes.description is None else clean_description(changes.description),
        priority=changes.priority,
    )
