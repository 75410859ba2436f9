"""Clients: whatever Redis is made of, no command is repeated and nothing is waited for longer than asked."""

from __future__ import annotations

import pytest
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.redis_servers.clients import make_client

URLS = ("redis://:x@h:1/0", "redis+sentinel://:x@h:1/main/0?sentinel_password=y", "redis+cluster://:x@h:1")


@pytest.mark.parametrize("url", URLS)
def test_nothing_is_repeated_and_waits_are_short(url: str) -> None:
    client = make_client(url, timeout_ms=250, text=True, key="{k}")
    connection = client.connection_pool.make_connection()
    assert connection.retry.get_retries() == 0
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.25, 0.25)
    assert client.connection_pool.max_connections >= 256, "as many as threads"


class Connection:
    """Answers as it is told to, and says what becomes of it."""

    def __init__(self, answer: object) -> None:
        self.answer, self.told = answer, list[str]()

    def send_command(self, *_: object) -> None:
        self.told.append("sent")

    def read_response(self) -> object:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def disconnect(self) -> None:
        self.told.append("closed")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("PONG", ["sent", "back"]),
        (NoScriptError(), ["sent", "back"]),
        (RedisTimeoutError(), ["sent", "closed", "back"]),
        (KeyboardInterrupt(), ["sent", "closed", "back"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("url", URLS)
def test_a_command_goes_out_once_and_a_connection_whose_answer_is_unread_is_closed(
    monkeypatch: pytest.MonkeyPatch, url: str, answer: object, told: list[str]
) -> None:
    client, connection = make_client(url, timeout_ms=250, text=True, key="{k}"), Connection(answer)
    monkeypatch.setattr(client.connection_pool, "get_connection", lambda: connection)
    monkeypatch.setattr(client.connection_pool, "release", lambda back: back.told.append("back"))
    if isinstance(answer, BaseException):
        with pytest.raises(type(answer)):
            client.execute_command("ECHO", "x")  # type: ignore[no-untyped-call]
    else:
        assert client.execute_command("ECHO", "x") == answer  # type: ignore[no-untyped-call]
    assert connection.told == told


@pytest.mark.parametrize("url", URLS)
def test_passwords_are_not_shown(url: str) -> None:
    client = make_client(url.replace(":x@", ":hush@").replace("=y", "=hush"), timeout_ms=250, text=False, key="{k}")
    assert "hush" not in repr(client)


def test_a_cluster_needs_the_name_of_its_keys() -> None:
    with pytest.raises(ValueError, match="hash tag"):
        make_client(URLS[2], timeout_ms=100, text=True)
