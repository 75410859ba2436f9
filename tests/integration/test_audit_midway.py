"""Redis goes away between two commands of a look at the queue."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Gone

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys


@pytest.mark.parametrize("answered", range(4))
def test_a_server_that_goes_away_while_types_are_mended_is_a_fact(
    redis_client: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    redis_client.set(keys.queue(Priority.MEDIUM), "x")
    left = iter(range(answered))
    send = redis_client.execute_command

    def command(*args: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise Gone("gone")
        return send(*args, **options)

    monkeypatch.setattr(redis_client, "execute_command", command)
    with pytest.raises(QueueUnavailable):
        RedisQueueAudit(redis_client, keys).repair_key_types()
