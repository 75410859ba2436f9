"""From the history to deliveries: everything once, to those who asked, from when they asked."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Cause
from service.domain.webhooks import MAX_EVENTS
from service.usecases.ports.webhooks import WebhookChanges
from tests.integration.telling import Telling, open_transaction

URL = "http://127.0.0.1:1/"
CURSOR = "SELECT CAST(xact AS text) AS xact FROM event_cursors WHERE reader = 'webhooks'"


@pytest.fixture
def telling(engine: Engine) -> Telling:
    return Telling(engine)


def spread(telling: Telling) -> int:
    telling.calm()
    return telling.outbox.spread(limit=1_000)


def told(telling: Telling, webhook_id: int) -> list[list[int]]:
    """The tickets of each delivery."""
    query = """
    SELECT array_agg(e.ticket_id ORDER BY e.id) AS tickets FROM webhook_deliveries d
    JOIN ticket_events e ON e.id = ANY (d.event_ids) WHERE d.webhook_id = :id GROUP BY d.id ORDER BY d.id
    """
    return [row.tickets for row in telling.rows(query, id=webhook_id)]


def test_one_delivery_tells_each_webhook_of_one_transaction(telling: Telling) -> None:
    one, two = telling.hook(URL).id, telling.hook(URL).id
    telling.happen(1, 2, 3)
    telling.happen(4)
    assert spread(telling) == 4
    assert told(telling, one) == told(telling, two) == [[1, 2, 3], [4]]
    assert spread(telling) == 0
    assert told(telling, one) == [[1, 2, 3], [4]]


def test_only_the_causes_asked_for_are_told(telling: Telling) -> None:
    some, all_of_them = telling.hook(URL, Cause.SELL, Cause.CLOSE).id, telling.hook(URL).id
    telling.happen(1)
    with telling.engine.begin() as connection:
        for cause in ("sell", "note", "close"):
            connection.execute(
                text("INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (2, :cause, 1)"), {"cause": cause}
            )
    spread(telling)
    assert told(telling, some) == [[2, 2]]
    assert told(telling, all_of_them) == [[1], [2, 2, 2]]


def test_a_very_large_transaction_comes_in_parts(telling: Telling) -> None:
    hook = telling.hook(URL).id
    telling.happen(*range(1, 2 * MAX_EVENTS + 2))
    spread(telling)
    assert [len(tickets) for tickets in told(telling, hook)] == [MAX_EVENTS, MAX_EVENTS, 1]


def test_what_was_committed_before_a_webhook_was_made_is_not_told_it(telling: Telling) -> None:
    telling.happen(1)
    telling.calm()
    early = telling.hook(URL).id
    telling.happen(2)
    telling.calm()
    late = telling.hook(URL).id
    telling.happen(3)
    spread(telling)
    assert told(telling, early) == [[2], [3]]
    assert told(telling, late) == [[3]]


def test_what_commits_after_a_webhook_was_made_is_told_it_whenever_it_began(telling: Telling, engine: Engine) -> None:
    with engine.connect() as slow:
        slow.execute(text("INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (1, 'create', 0)"))
        hook = telling.hook(URL).id
        slow.commit()
    spread(telling)
    assert told(telling, hook) == [[1]]


def test_while_nobody_listens_the_cursor_moves_and_nothing_is_read(telling: Telling) -> None:
    telling.happen(1, 2)
    assert spread(telling) == 0
    [before] = telling.rows(CURSOR)
    telling.happen(3)
    assert spread(telling) == 0
    [after] = telling.rows(CURSOR)
    assert int(after.xact) > int(before.xact)
    assert not telling.outbox.is_wanted()


@pytest.mark.parametrize("others", [0, 1])
def test_a_webhook_that_was_off_is_told_nothing_of_that_time(telling: Telling, others: int) -> None:
    hook, *_ = [telling.hook(URL).id for _ in range(1 + others)]
    telling.webhooks.update(hook, WebhookChanges(is_active=False))
    telling.happen(1)
    telling.calm()
    telling.webhooks.update(hook, WebhookChanges(is_active=True))
    telling.happen(2)
    spread(telling)
    assert told(telling, hook) == [[2]]


def test_switching_on_what_is_on_changes_nothing(telling: Telling) -> None:
    hook = telling.hook(URL).id
    telling.happen(1)
    telling.calm()
    telling.webhooks.update(hook, WebhookChanges(is_active=True))
    spread(telling)
    assert told(telling, hook) == [[1]]


def test_a_transaction_still_open_holds_later_ones_up_and_loses_nothing(telling: Telling, engine: Engine) -> None:
    hook = telling.hook(URL).id
    with open_transaction(engine) as slow:
        slow.execute(text("INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (1, 'create', 0)"))
        telling.happen(2)
        assert telling.outbox.spread(limit=100) == 0
        slow.commit()
    spread(telling)
    assert told(telling, hook) == [[1], [2]]


def test_two_at_once_write_each_delivery_once(telling: Telling, engine: Engine) -> None:
    hook = telling.hook(URL).id
    spread(telling)
    telling.happen(1)
    telling.calm()
    with engine.connect() as first:
        first.execute(text("SELECT 1 FROM event_cursors WHERE reader = 'webhooks' FOR UPDATE"))
        assert telling.outbox.spread(limit=100) == 0
        first.rollback()
    spread(telling)
    assert told(telling, hook) == [[1]]


def test_there_is_something_to_do_when_something_happened_and_when_something_is_due(telling: Telling) -> None:
    telling.hook(URL)
    spread(telling)
    assert not telling.outbox.is_wanted()
    telling.happen(1)
    telling.calm()
    assert telling.outbox.is_wanted()
    spread(telling)
    assert telling.outbox.is_wanted(), "a delivery is due"
    turn = telling.outbox.take_turn(lease_s=60)
    assert turn is not None
    assert not telling.outbox.is_wanted(), "somebody is at it"
    telling.outbox.release(turn)
    with telling.engine.begin() as connection:
        connection.execute(text("UPDATE webhook_deliveries SET next_try_at = now() + interval '1 hour'"))
    assert not telling.outbox.is_wanted()


def test_old_deliveries_are_removed_but_not_those_still_to_be_sent(telling: Telling) -> None:
    on, off = telling.hook(URL).id, telling.hook(URL).id
    telling.happen(1)
    telling.happen(2)
    spread(telling)
    telling.webhooks.update(off, WebhookChanges(is_active=False))
    with telling.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE webhook_deliveries SET state = 'delivered', next_try_at = NULL"
                " WHERE id = (SELECT min(id) FROM webhook_deliveries WHERE webhook_id = :on)"
            ),
            {"on": on},
        )
        assert telling.outbox.prune(older_than_s=3600) == 0
        connection.execute(text("UPDATE webhook_deliveries SET created_at = now() - interval '2 hours'"))
    assert telling.outbox.prune(older_than_s=3600) == 3
    assert [(row.webhook_id, row.state) for row in telling.rows("SELECT * FROM webhook_deliveries")] == [
        (on, "pending")
    ]


def test_deleting_a_webhook_takes_its_deliveries_along(telling: Telling) -> None:
    hook = telling.hook(URL).id
    telling.happen(1)
    spread(telling)
    telling.webhooks.delete(hook)
    assert telling.states() == []
