"""Imported tickets are queued while the next batch is written, one batch behind at the most."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from service.domain.errors import StoreUnavailable
from service.domain.model import InQueue, Place, Priority, QueuedTicket
from service.usecases.ports.tickets import ImportedTicket, TicketDraft
from service.usecases.ticket_files import FileFormat
from service.usecases.ticket_import import BATCH, ImportBatch, TicketImport
from service.usecases.tickets import Tickets

PATIENCE_S = 30


class SlowlyQueued:
    """Stand in for `Tickets`: a batch is queued when `may_queue` is released; `told` is what happened, in order."""

    def __init__(self) -> None:
        self.may_queue = threading.Semaphore(0)
        self.told: list[str] = []
        self.written = 0
        self.fails_at = 0

    def import_many(self, drafts: Sequence[TicketDraft], **_: Any) -> list[ImportedTicket]:
        self.written += 1
        if self.written == self.fails_at:
            raise StoreUnavailable("PostgreSQL did not answer")
        self.told.append(f"written {self.written}")
        return [ImportedTicket(self.written, is_new=True) for _ in drafts]

    def queue_imported(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
        assert len(drafts) == len(imported)
        assert self.may_queue.acquire(timeout=PATIENCE_S)
        self.told.append(f"queued {imported[0].ticket_id}")

    def refresh_statistics(self, *, new: int) -> None:
        """Nothing to know here."""


def batches(tickets: Any, count: int) -> Iterator[ImportBatch]:
    source = io.BytesIO(b"subject\n" + b"x\n" * (count * BATCH))
    return TicketImport(tickets=tickets).batches(source, format=FileFormat.CSV, actor_id=None)


def test_the_next_batch_is_written_while_one_is_queued() -> None:
    tickets = SlowlyQueued()
    under_way = batches(tickets, 3)
    next(under_way)
    tickets.may_queue.release()
    next(under_way)
    assert tickets.told[0] == "written 1"
    assert set(tickets.told[1:]) == {"queued 1", "written 2"}
    tickets.may_queue.release()
    under_way.close()  # type: ignore[attr-defined]


def test_no_more_than_one_batch_waits_to_be_queued() -> None:
    tickets = SlowlyQueued()
    under_way = batches(tickets, 4)
    next(under_way)
    third = threading.Thread(target=lambda: [next(under_way), next(under_way)])
    third.start()
    third.join(timeout=0.3)
    assert third.is_alive()
    assert "written 3" not in tickets.told
    tickets.may_queue.release(4)
    third.join(timeout=PATIENCE_S)
    assert not third.is_alive()
    under_way.close()  # type: ignore[attr-defined]


def test_an_import_has_ended_when_everything_is_queued() -> None:
    tickets = SlowlyQueued()
    threading.Timer(0.05, tickets.may_queue.release, [3]).start()
    assert len(list(batches(tickets, 3))) == 3
    assert [told for told in tickets.told if "queued" in told] == ["queued 1", "queued 2", "queued 3"]


def test_what_was_written_is_queued_also_where_the_next_batch_fails_or_nobody_wants_it() -> None:
    tickets = SlowlyQueued()
    tickets.may_queue.release(9)
    tickets.fails_at = 2
    with pytest.raises(StoreUnavailable):
        list(batches(tickets, 3))
    assert tickets.told == ["written 1", "queued 1"]
    left_alone = SlowlyQueued()
    left_alone.may_queue.release(9)
    under_way = batches(left_alone, 3)
    next(under_way)
    under_way.close()  # type: ignore[attr-defined]
    assert left_alone.told == ["written 1", "queued 1"]


def test_what_goes_wrong_with_queueing_is_told() -> None:
    class Broken(SlowlyQueued):
        def queue_imported(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
            raise AssertionError("a defect")

    with pytest.raises(AssertionError, match="a defect"):
        list(batches(Broken(), 1))
    with pytest.raises(AssertionError, match="a defect"):
        list(batches(Broken(), 2))


def test_only_what_is_new_is_queued() -> None:
    class Queue:
        queued: Sequence[QueuedTicket] = ()

        def enqueue(self, tickets: Sequence[QueuedTicket]) -> None:
            self.queued = tickets

        def places(self, ids: Sequence[int]) -> dict[int, Place]:
            return dict.fromkeys(ids, InQueue(Priority.LOW))

    queue: Any = Queue()
    made = Tickets(store=None, queue=queue, places=queue)  # type: ignore[arg-type]
    drafts = [TicketDraft(subject="Old", priority=Priority.LOW), TicketDraft(subject="New", priority=Priority.LOW)]
    made.queue_imported(drafts, [ImportedTicket(5, is_new=False), ImportedTicket(6, is_new=True)])
    assert list(queue.queued) == [QueuedTicket(6, Priority.LOW)]
