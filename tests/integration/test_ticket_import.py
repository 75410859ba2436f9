"""Importing on real servers: rows, queue and history, in the order of the file."""

from __future__ import annotations

import io

from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.usecases.ticket_files import ImportFormat
from service.usecases.ticket_import import ImportBatch


def load(container: Container, content: str, *, dry_run: bool = False) -> list[ImportBatch]:
    source = io.BytesIO(content.encode())
    batches = container.ticket_import.batches(source, format=ImportFormat.CSV, actor_id=None, dry_run=dry_run)
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
