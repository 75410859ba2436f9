"""Tickets as records: see `service.usecases.ports.tickets.TicketStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    func,
    insert,
    select,
    text,
    update,
)

from service.domain.errors import AlreadyExists
from service.domain.model import HELD, Cause, Page, Ticket, TicketEvent, TicketStatus
from service.domain.service_levels import DEFAULT_TARGETS, Targets
from service.store import archive_reads, import_jobs, imports, moves, rows
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.readings import Readings
from service.store.tables import ticket_events, tickets
from service.store.ticket_filter import filtered, found_among, how_to_find, is_of_a_time, looked_through, parts, source
from service.store.ticket_history import lines_page
from service.store.uniqueness import taken_values_as_facts
from service.usecases.ports.imports import ImportMark
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import ImportedTicket, TicketChanges, TicketCount, TicketDraft, TicketFilter

_COLUMNS = ", ".join(f"t.{column.name}" for column in rows.TICKET_COLUMNS)

# A tenth of the usual sample: an import waits for it, and what is wanted now is orders of magnitude. Autovacuum looks
# more closely, later.
SAMPLE_LITTLE = text("SET LOCAL default_statistics_target = 10")
NOTEWORTHY = text("""
SELECT CAST(:new AS bigint) * 10 >= reltuples FROM pg_class WHERE oid = CAST('tickets' AS regclass)
""")  # a tenth: what makes autovacuum look, too
REFRESH_STATISTICS = text("ANALYZE (SKIP_LOCKED) tickets, ticket_events")

CREATE = text(f"""
WITH drafts AS (
    SELECT * FROM unnest(
        CAST(:subjects AS text[]), CAST(:descriptions AS text[]), CAST(:priorities AS text[]),
        CAST(:external_ids AS text[])
    ) WITH ORDINALITY AS d (subject, description, priority, external_id, place)
),
t AS (
    INSERT INTO tickets (subject, description, priority, external_id, created_by, operation_id)
    SELECT subject, description, priority, external_id, CAST(:actor_id AS bigint), CAST(:operation_id AS uuid)
    FROM drafts ORDER BY place
    ON CONFLICT (operation_id) WHERE operation_id IS NOT NULL DO NOTHING
    RETURNING *
),
history AS (
    INSERT INTO ticket_events (ticket_id, cause, to_status, actor_id, epoch, priority)
    SELECT id, :cause, status, created_by, epoch, priority FROM t ORDER BY id
)
SELECT {_COLUMNS} FROM t ORDER BY id
""")  # noqa: S608 - the columns are our own names

_TAKEN = text("""
SELECT id, deleted_at IS NOT NULL AS deleted FROM tickets WHERE external_id = ANY (CAST(:external_ids AS text[]))
UNION ALL
SELECT id, deleted_at IS NOT NULL FROM archived_tickets WHERE external_id = ANY (CAST(:external_ids AS text[]))
ORDER BY id LIMIT 1
""")


def sort_keys(among: Table, *, by_time: bool) -> dict[str, ColumnElement[Any]]:
    """Name the columns that tickets may be sorted by.

    `by_time` for those of a time: the index that finds them has them in the order of that.
    """
    columns = among.c
    ids_are_the_creation_order = columns.id
    return {
        "id": columns.id,
        "created_at": columns.created_at if by_time else ids_are_the_creation_order,
        "updated_at": columns.updated_at,
        "subject": columns.subject,
    }


class PostgresTickets:
    """Keep tickets in PostgreSQL."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None, targets: Targets = DEFAULT_TARGETS) -> None:
        """Read lists by `readings`; `targets` say which tickets are overdue."""
        self._engine = engine
        self._readings = readings or Readings(engine)
        self._targets = targets

    def create(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, cause: Cause, operation_id: UUID | None = None
    ) -> list[Ticket]:
        """Write tickets and their first history lines by one statement, which commits by itself."""
        external_ids = [draft.external_id for draft in drafts]
        with _whose(self._engine, external_ids), taken_values_as_facts(), statement(self._engine) as connection:
            result = connection.execute(
                CREATE,
                {
                    "subjects": [draft.subject for draft in drafts],
                    "descriptions": [draft.description for draft in drafts],
                    "priorities": [draft.priority.value for draft in drafts],
                    "external_ids": external_ids,
                    "actor_id": actor_id,
                    "cause": cause.value,
                    "operation_id": operation_id,
                },
            )
            created = [rows.ticket(row) for row in result.mappings()]
            return created or self._of_operation(connection, operation_id)

    def import_many(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, mark: ImportMark | None
    ) -> list[ImportedTicket]:
        """Write what is new, and the mark, in one transaction."""
        with transaction(self._engine) as connection:
            imported = imports.import_drafts(connection, drafts, actor_id=actor_id) if drafts else []
            if mark is not None:
                new = sum(found.is_new for found in imported)
                import_jobs.mark(connection, mark, imported=new, already_there=len(imported) - new)
            return imported

    def refresh_statistics(self, *, new: int) -> None:
        """ANALYZE, unless somebody does so already. That ends the plans that were made for the old figures, too."""
        with transaction(self._engine) as connection:
            if connection.execute(NOTEWORTHY, {"new": new}).scalar_one():
                connection.execute(SAMPLE_LITTLE)
                connection.execute(REFRESH_STATISTICS)

    def named(self, external_ids: Sequence[str]) -> dict[str, int]:
        """Look them up by the unique index."""
        with statement(self._engine) as connection:
            return imports.named(connection, external_ids)

    @staticmethod
    def _of_operation(connection: Connection, operation_id: UUID | None) -> list[Ticket]:
        """Read what an earlier try of the same operation created."""
        query = select(*rows.TICKET_COLUMNS).where(tickets.c.operation_id == operation_id)
        return [rows.ticket(row) for row in connection.execute(query).mappings()]

    def get(self, ticket_id: int) -> Ticket | None:
        """Read one ticket."""
        if not 1 <= ticket_id <= rows.MAX_BIGINT:
            return None
        query = select(*rows.TICKET_COLUMNS).where(tickets.c.id == ticket_id, tickets.c.deleted_at.is_(None))
        with statement(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is not None:
                return rows.ticket(row)
            row = connection.execute(archive_reads.ANYWHERE, {"id": ticket_id}).mappings().one_or_none()
        return None if row is None else archive_reads.ticket(row)

    def page(self, wanted: TicketFilter, request: PageRequest) -> Page[Ticket]:
        """List tickets by keyset."""
        among, build = source(wanted), _builder(wanted)
        return self._readings.read(
            lambda connection: keyset_page(
                connection,
                select=found_among(wanted, self._targets, sort=request.sort),
                columns=sort_keys(among, by_time=is_of_a_time(wanted)),
                id_column=among.c.id,
                request=request,
                build=lambda row: build(row._mapping),
                among=looked_through(wanted, sort=request.sort),
                unevenly=wanted != TicketFilter(text=wanted.text),
                find=how_to_find(wanted, sort=request.sort),
                parts=parts(wanted, sort=request.sort),
            )
        )

    def count(self, wanted: TicketFilter) -> TicketCount:
        """Count in one snapshot."""
        among = source(wanted).c
        held = among.agent_id.distinct()
        of_status = {status: func.count().filter(among.status == status.value) for status in TicketStatus}
        holders = func.count(held).filter(among.status.in_([status.value for status in HELD]))
        columns = [column.label(status.value) for status, column in of_status.items()]
        query = filtered(wanted, self._targets).with_only_columns(
            rows.NOW.label("at"), holders.label("holders"), *columns, maintain_column_froms=True
        )
        row = self._readings.read(lambda connection: connection.execute(query).mappings().one())
        by_status = {status: int(row[status.value]) for status in TicketStatus}
        return TicketCount(by_status=by_status, holders=row["holders"], at=row["at"])

    def walk(self, wanted: TicketFilter, *, size: int) -> Iterator[list[Ticket]]:
        """Read page after page by the primary key; no connection is kept between two pages."""
        ids, build = source(wanted).c.id, _builder(wanted)
        query = filtered(wanted, self._targets).order_by(ids).limit(size)
        last_id, more = 0, True
        while more:
            following = query.where(ids > last_id)
            found = self._readings.read(partial(_all, query=following))
            more = len(found) == size
            if found:
                last_id = found[-1]["id"]
                yield [build(row) for row in found]

    def update(
        self, ticket_id: int, changes: TicketChanges, *, actor_id: int | None, expected_epoch: int | None
    ) -> tuple[Ticket, Ticket]:
        """Change fields under the ticket's lock; a change that changes nothing writes nothing."""

        def edit(connection: Connection) -> tuple[Ticket, Ticket]:
            before, _ = moves.lock_ticket(connection, ticket_id)
            moves.check_epoch(before, expected_epoch)
            values = {
                name: value
                for name in ("subject", "description", "priority")
                if (value := getattr(changes, name)) is not None and value != getattr(before, name)
            }
            if not values:
                return before, before
            change = (
                update(tickets)
                .where(tickets.c.id == ticket_id)
                .values(**values, updated_at=rows.NOW)
                .returning(*rows.TICKET_COLUMNS)
            )
            after = rows.ticket(connection.execute(change).mappings().one())
            note = ", ".join(
                f"priority {before.priority} -> {after.priority}" if name == "priority" else name for name in values
            )
            moves.record(connection, before, after, cause=Cause.EDIT, actor_id=actor_id, note=note)
            return before, after

        return moves.in_transaction(self._engine, edit)

    def delete(self, ticket_id: int, *, actor_id: int | None, expected_epoch: int | None) -> Ticket:
        """Mark a ticket deleted; the database takes it out of its holder's count."""

        def mark_deleted(connection: Connection) -> Ticket:
            before, _ = moves.lock_ticket(connection, ticket_id)
            moves.check_epoch(before, expected_epoch)
            mark = update(tickets).where(tickets.c.id == ticket_id).values(deleted_at=rows.NOW, updated_at=rows.NOW)
            connection.execute(mark)
            connection.execute(
                insert(ticket_events).values(
                    ticket_id=ticket_id,
                    cause=Cause.DELETE.value,
                    from_status=before.status.value,
                    to_status=None,
                    agent_id=before.agent_id,
                    actor_id=actor_id,
                    epoch=before.epoch,
                )
            )
            return before

        return moves.in_transaction(self._engine, mark_deleted)

    def history(self, ticket_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List a ticket's events by keyset."""
        return self._readings.read(
            lambda connection: lines_page(connection, request, lambda events: events.ticket_id == ticket_id)
        )


def _all(connection: Connection, query: Select[Any]) -> Sequence[RowMapping]:
    return connection.execute(query).mappings().all()


def _builder(wanted: TicketFilter) -> Callable[[Mapping[Any, Any]], Ticket]:
    return archive_reads.ticket if wanted.archived else rows.ticket


@contextmanager
def _whose(engine: Engine, external_ids: Sequence[str | None]) -> Iterator[None]:
    """Name the ticket that has an external id which is taken. Raises `AlreadyExists`."""
    try:
        yield
    except AlreadyExists as exc:
        with statement(engine) as connection:
            found = connection.execute(_TAKEN, {"external_ids": external_ids}).one_or_none()
        if found is None:
            raise
        words = f"Ticket {found.id}{', which is deleted,' if found.deleted else ''} has the external id already"
        raise AlreadyExists(words, ticket_id=found.id, **exc.facts) from exc
