"""The little of HTTP/1.1 that a load generator reads: status, length, and whether the connection goes on."""

from __future__ import annotations

from typing import NamedTuple

_HEAD_END = b"\r\n\r\n"
_WITHOUT_BODY = frozenset({204, 304})


class NotHttpError(Exception):
    """Say what of a reply this small parser cannot read."""


class Reply(NamedTuple):
    """One reply, complete. `size` counts its bytes, head and body; `closes` says that the server hangs up after it."""

    status: int
    body: bytes
    size: int
    closes: bool


def parse(received: bytes, *, at_end: bool = False) -> Reply | None:
    """Read the reply that `received` begins with; None while more of it must come.

    `at_end` says that the server has hung up: a reply without a length ends there. Raises `NotHttpError`.
    """
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        if len(received) >= 5 and not received.startswith(b"HTTP/"):
            raise NotHttpError(f"no HTTP: {received[:60]!r}")
        return None
    try:
        status = int(received[9:12])
    except ValueError as exc:
        raise NotHttpError(f"no status: {received[:60]!r}") from exc
    head = received[:head_end].lower()
    start = head_end + len(_HEAD_END)
    length = _length(head, status)
    if length is None:
        return Reply(status, received[start:], len(received), closes=True) if at_end else None
    size = start + length
    if len(received) < size:
        return None
    return Reply(status, received[start:size], size, closes=b"\r\nconnection: close" in head)


def _length(head: bytes, status: int) -> int | None:
    """Find the length of the body; None where only the end of the connection tells it."""
    if status in _WITHOUT_BODY:
        return 0
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        value = head[at + 17 :].partition(b"\r\n")[0]
        try:
            return int(value)
        except ValueError as exc:
            raise NotHttpError(f"no length: {value[:20]!r}") from exc
    if b"\r\ntransfer-encoding:" in head:
        raise NotHttpError("the reply comes in chunks, which is not read here")
    return None
