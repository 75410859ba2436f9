"""Finding free ports."""

from __future__ import annotations

import socket

from scripts.ports import free_port, is_free


def test_free_port_is_below_those_of_outgoing_connections() -> None:
    for _ in range(50):
        assert 20_000 <= free_port() < 32_768


def test_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])


def test_preferred_port_is_taken_when_free_and_only_then() -> None:
    wanted = free_port()
    assert free_port(preferred=wanted) == wanted
    assert free_port(preferred=wanted, avoid=frozenset({wanted})) != wanted
    with socket.create_server(("127.0.0.1", wanted)):
        assert free_port(preferred=wanted) != wanted
