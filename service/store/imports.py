"""Rows of a file made into tickets: copied a batch at a time, but for those that are there already."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from service.domain.model import Cause
from service.store.copying import copied
from service.usecases.ports.tickets import ImportedTicket, TicketDraft

LOCK_KEY = 0x696D_706F  # "impo"; an advisory lock of this number is held while a batch with external ids is written

# Two batches with the same external ids in another order would wait for each other for ever.
LOCK = text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")

IMPORT = text("""
WITH drafts AS (
    SELECT * FROM unnest(
        CAST(:subjects AS text[]), CAST(:descriptions AS text[]), CAST(:priorities AS text[]),
        CAST(:external_ids AS text[])
    ) WITH ORDINALITY AS d (subject, description, priority, external_id, place)
),
t AS (
    INSERT INTO tickets (subject, description, priority, external_id, created_by)
    SELECT subject, description, priority, external_id, CAST(:actor_id AS bigint) FROM drafts
    WHERE NOT EXISTS (SELECT FROM archived_tickets a WHERE a.external_id = drafts.external_id)
    ORDER BY place
    ON CONFLICT (external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING id, external_id, status, epoch, priority
),
history AS (
    INSERT INTO ticket_events (ticket_id, cause, to_status, actor_id, epoch, priority)
    SELECT id, :cause, status, CAST(:actor_id AS bigint), epoch, priority FROM t ORDER BY id
)
SELECT id, external_id FROM t ORDER BY id
""")

EXISTING = text("""
SELECT external_id, id FROM tickets WHERE external_id = ANY (CAST(:external_ids AS text[]))
UNION ALL
SELECT external_id, id FROM archived_tickets WHERE external_id = ANY (CAST(:external_ids AS text[]))
""")

ATTEMPTS = 5
"""How often a batch is looked at anew because a ticket of it was archived between the look and the writing."""


def import_drafts(
    connection: Connection, drafts: Sequence[TicketDraft], *, actor_id: int | None
) -> list[ImportedTicket]:
    """Write the drafts that are not there yet, with their first lines of history, and name every draft's ticket.

    Runs in the caller's transaction.
    """
    external_ids = [draft.external_id for draft in drafts if draft.external_id is not None]
    if not external_ids:
        return [ImportedTicket(ticket_id, True) for ticket_id in copied(connection, drafts, actor_id=actor_id)]
    connection.execute(LOCK)
    known = named(connection, external_ids)
    try:
        with connection.begin_nested():
            return _copy_new(connection, drafts, known, actor_id=actor_id)
    except UniqueViolation:  # a ticket with one of these external ids was created by hand at this very moment
        return _inserted_in_the_end(connection, drafts, actor_id=actor_id)


def _inserted_in_the_end(
    connection: Connection, drafts: Sequence[TicketDraft], *, actor_id: int | None
) -> list[ImportedTicket]:
    """Write them, once more where a ticket that stood in the way has gone to the archive meanwhile."""
    for _ in range(ATTEMPTS - 1):
        try:
            with connection.begin_nested():
                return _inserted(connection, drafts, actor_id=actor_id)
        except IntegrityError as exc:
            if not isinstance(exc.orig, UniqueViolation):
                raise
    return _inserted(connection, drafts, actor_id=actor_id)


def _copy_new(
    connection: Connection, drafts: Sequence[TicketDraft], known: dict[str, int], *, actor_id: int | None
) -> list[ImportedTicket]:
    """Copy those whose external ids are neither `known` nor on an earlier draft."""
    new: list[TicketDraft] = []
    first_seen = set(known)
    for draft in drafts:
        if draft.external_id is None:
            new.append(draft)
        elif draft.external_id not in first_seen:
            first_seen.add(draft.external_id)
            new.append(draft)
    ids = iter(copied(connection, new, actor_id=actor_id))
    imported: list[ImportedTicket] = []
    for draft in drafts:
        name = draft.external_id
        if name is not None and name in known:
            imported.append(ImportedTicket(known[name], False))
            continue
        ticket_id = next(ids)
        imported.append(ImportedTicket(ticket_id, True))
        if name is not None:
            known[name] = ticket_id
    return imported


def _inserted(connection: Connection, drafts: Sequence[TicketDraft], *, actor_id: int | None) -> list[ImportedTicket]:
    """Write them by a statement that waits for whoever is creating the same ticket, and then passes over it."""
    created = connection.execute(
        IMPORT,
        {
            "subjects": [draft.subject for draft in drafts],
            "descriptions": [draft.description for draft in drafts],
            "priorities": [draft.priority.value for draft in drafts],
            "external_ids": [draft.external_id for draft in drafts],
            "actor_id": actor_id,
            "cause": Cause.IMPORT.value,
        },
    ).all()
    unnamed = (row.id for row in created if row.external_id is None)
    new = {row.external_id: row.id for row in created if row.external_id is not None}
    known = _existing(connection, [draft.external_id for draft in drafts if draft.external_id is not None], new)
    imported: list[ImportedTicket] = []
    for draft in drafts:
        if draft.external_id is None:
            imported.append(ImportedTicket(next(unnamed), True))
        else:
            # Taken out at its first row: the same external id on a later one is there already.
            ticket_id = new.pop(draft.external_id, None)
            imported.append(ImportedTicket(known[draft.external_id], ticket_id is not None))
    return imported


def named(connection: Connection, external_ids: Sequence[str]) -> dict[str, int]:
    """Name the tickets that have these external ids, deleted ones included."""
    found = connection.execute(EXISTING, {"external_ids": list(external_ids)}).all() if external_ids else []
    return {row.external_id: row.id for row in found}


def _existing(connection: Connection, external_ids: Sequence[str], new: dict[str, int]) -> dict[str, int]:
    """Name the ticket of each external id: of those just made, and of those that were there."""
    return {**new, **named(connection, [external_id for external_id in external_ids if external_id not in new])}
