"""Importing on real servers: rows, queue and history, in the order of the file."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.usecases.ticket_files import FileFormat
from service.usecases.ticket_import import BATCH, ImportBatch


def load(container: Container, content: str, *, dry_run: bool = False) -> list[ImportBatch]:
    source = io.BytesIO(content.encode())
    batches = container.ticket_import.batches(source, format=FileFormat.CSV, actor_id=None, dry_run=dry_run)
    return list(batches)


def test_imported_tickets_are_queued_in_the_order_of_the_file(
    container: Container, redis_client: Redis, keys: Keys, engine: Engine
) -> None:
    names = ("high", "medium", "low", "")
    content = "subject,priority\n" + "".join(f"Ticket {n},{names[n % 4]}\n" for n in range(2_500))
    batches = load(container, content)
    ids = [row.ticket_id for batch in batches for row in batch.rows]
    assert ids == list(range(1, 2_501))
    queued = {priority: list(map(int, redis_client.lrange(keys.queue(priority), 0, -1))) for priority in Priority}
    assert queued[Priority.HIGH] == list(range(1, 2_501, 4))
    assert queued[Priority.LOW] == list(range(3, 2_501, 4))
    assert len(queued[Priority.MEDIUM]) == 1_250
    with engine.connect() as connection:
        query = text("SELECT cause, count(*) FROM ticket_events GROUP BY cause")
        assert [tuple(row) for row in connection.execute(query)] == [("import", 2_500)]
        first = connection.execute(text("SELECT subject FROM tickets ORDER BY id LIMIT 3")).scalars().all()
    assert first == ["Ticket 0", "Ticket 1", "Ticket 2"]


def rows_of(batches: list[ImportBatch]) -> list[tuple[int | None, bool]]:
    return [(row.ticket_id, row.is_new) for batch in batches for row in batch.rows]


def test_an_import_repeated_makes_no_second_ticket(
    container: Container, redis_client: Redis, keys: Keys, engine: Engine
) -> None:
    first = rows_of(load(container, "subject,external_id\nOne,a\nTwo,\nThree,c\n"))
    assert [is_new for _, is_new in first] == [True, True, True]
    ids = [ticket_id for ticket_id, _ in first]
    again = rows_of(load(container, "subject,external_id\nFour,d\nOne more,a\nThree,c\n"))
    assert again[1:] == [(ids[0], False), (ids[2], False)]
    assert again[0][1]
    queued = list(map(int, redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)))
    assert queued == sorted([*(ticket_id for ticket_id in ids if ticket_id), again[0][0] or 0])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ticket_events")).scalar_one() == 4
        query = text("SELECT subject, external_id FROM tickets ORDER BY id")
        assert [tuple(row) for row in connection.execute(query)] == [
            ("One", "a"),
            ("Two", None),
            ("Three", "c"),
            ("Four", "d"),
        ]


def test_an_external_id_given_twice_in_a_file_is_one_ticket(container: Container) -> None:
    (first, is_new), (second, is_new_too), (other, _) = rows_of(
        load(container, "subject,external_id\nOne,a\nTwo,a\nThree,\n")
    )
    assert (first, is_new, is_new_too) == (second, True, False)
    assert other not in (None, first)


def test_a_deleted_ticket_is_not_brought_back(container: Container, engine: Engine) -> None:
    [(ticket_id, _)] = rows_of(load(container, "subject,external_id\nOne,a\n"))
    assert ticket_id is not None
    container.tickets.delete(ticket_id, actor_id=None)
    assert rows_of(load(container, "subject,external_id\nOne,a\n")) == [(ticket_id, False)]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets WHERE deleted_at IS NULL")).scalar_one() == 0


def test_the_same_file_imported_by_several_at_once_is_there_once(container: Container, engine: Engine) -> None:
    rows = [f"Ticket {n},x{n}" for n in range(1_500)]
    files = ["subject,external_id\n" + "\n".join(rows[::step]) + "\n" for step in (1, -1, 1, -1)]
    with ThreadPoolExecutor(4) as pool:
        results = [rows_of(batches) for batches in pool.map(lambda content: load(container, content), files)]
    assert sum(is_new for result in results for _, is_new in result) == 1_500
    assert results[0] == [(ticket_id, mine) for (ticket_id, _), (_, mine) in zip(results[2], results[0], strict=True)]
    assert {ticket_id for ticket_id, _ in results[1]} == {ticket_id for ticket_id, _ in results[0]}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 1_500


def test_a_dry_run_leaves_no_trace(container: Container, redis_client: Redis, keys: Keys, engine: Engine) -> None:
    load(container, "subject\nOne\n", dry_run=True)
    assert redis_client.llen(keys.queue(Priority.MEDIUM)) == 0
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 0


def test_all_of_unicode_that_may_be_stored_arrives(container: Container, engine: Engine) -> None:
    subject = "Grüße 😀 \u202eabc\u200d 中文 ' \" \\ %s :x"
    load(container, f'subject,description\n"{subject.replace(chr(34), chr(34) * 2)}","a\tb\r\nc"\n')
    with engine.connect() as connection:
        row = connection.execute(text("SELECT subject, description FROM tickets")).one()
    assert tuple(row) == (subject, "a\tb\r\nc")


def test_a_dry_run_says_what_is_there_already_and_writes_nothing(container: Container, engine: Engine) -> None:
    load(container, "subject,external_id\nOne,a\n")
    rows = "".join(f"Ticket {n},{n}\n" for n in range(1_200))
    batches = load(container, f"subject,external_id\nOnce more,a\n{rows}Twice,7\nNo name,\nNone,\n", dry_run=True)
    tried = [row for batch in batches for row in batch.rows]
    assert [(row.line, row.ticket_id) for row in tried if not row.is_new] == [(2, 1), (1_203, None)]
    assert len(tried) == 1_204
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 1


def test_after_a_large_import_the_planner_knows_of_it(container: Container, engine: Engine) -> None:
    load(container, "subject\n" + "One\n" * BATCH)
    known = text("SELECT relname, reltuples FROM pg_class WHERE relname IN ('tickets', 'ticket_events')")

    def figures() -> dict[str, int]:
        with engine.connect() as connection:
            return {name: int(count) for name, count in connection.execute(known)}

    assert wait_until(lambda: figures() == {"tickets": BATCH, "ticket_events": BATCH}, 120), figures()
