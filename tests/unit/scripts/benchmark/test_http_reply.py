"""Reading replies: whole, split, without body, broken."""

from __future__ import annotations

import pytest

from scripts.benchmark.http_reply import NotHttpError, parse

OK = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"


def test_whole_reply_is_read() -> None:
    reply = parse(OK)
    assert reply is not None
    assert (reply.status, reply.body, reply.size, reply.closes) == (200, b"hello", len(OK), False)


@pytest.mark.parametrize("length", range(len(OK)))
def test_reply_cut_anywhere_is_not_complete(length: int) -> None:
    assert parse(OK[:length]) is None


@pytest.mark.parametrize("status", [b"204 NO CONTENT", b"304 NOT MODIFIED"])
def test_reply_that_has_no_body_is_complete_at_its_head(status: bytes) -> None:
    reply = parse(b"HTTP/1.1 " + status + b"\r\nServer: x\r\n\r\n")
    assert reply is not None
    assert reply.body == b""


def test_length_is_found_however_it_is_written() -> None:
    reply = parse(b"HTTP/1.1 503 BAD\r\ncOnTent-lEngth:2\r\nConnection: Close\r\n\r\nnoMORE")
    assert reply is not None
    assert (reply.status, reply.body, reply.closes) == (503, b"no", True)


def test_reply_without_length_ends_with_its_connection() -> None:
    text = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"
    assert parse(text) is None
    reply = parse(text, at_end=True)
    assert reply is not None
    assert (reply.body, reply.closes) == (b"until the end", True)


@pytest.mark.parametrize("text", [OK[:-1], b"HTTP/1.1 200 OK\r\nContent-Le", b""])
def test_reply_that_breaks_off_is_none(text: bytes) -> None:
    assert parse(text, at_end=True) is None


@pytest.mark.parametrize(
    "text",
    [
        b"+PONG\r\n\r\n",
        b"HTTP/1.1 what OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: some\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_cannot_be_read_is_said(text: bytes) -> None:
    with pytest.raises(NotHttpError):
        parse(text)
