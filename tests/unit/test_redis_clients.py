"""Clients: whatever Redis is made of, no command is repeated and nothing is waited for longer than asked."""

from __future__ import annotations

import pytest

from service.redis_servers.clients import make_client

URLS = ("redis://:x@h:1/0", "redis+sentinel://:x@h:1/main/0?sentinel_password=y", "redis+cluster://:x@h:1")


@pytest.mark.parametrize("url", URLS)
def test_nothing_is_repeated_and_waits_are_short(url: str) -> None:
    client = make_client(url, timeout_ms=250, text=True, key="{k}")
    connection = client.connection_pool.make_connection()
    assert connection.retry.get_retries() == 0
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.25, 0.25)
    assert client.connection_pool.max_connections >= 256, "as many as threads"


@pytest.mark.parametrize("url", URLS)
def test_passwords_are_not_shown(url: str) -> None:
    client = make_client(url.replace(":x@", ":hush@").replace("=y", "=hush"), timeout_ms=250, text=False, key="{k}")
    assert "hush" not in repr(client)


def test_a_cluster_needs_the_name_of_its_keys() -> None:
    with pytest.raises(ValueError, match="hash tag"):
        make_client(URLS[2], timeout_ms=100, text=True)
