"""TCP ports: find free ones, ask whether one is taken."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"
# Linux gives outgoing sockets ports from 32768 up, so a port above can be lost to any client at any moment.
_LOWEST, _BEYOND = 20_000, 32_768


def free_port(*, preferred: int | None = None, avoid: frozenset[int] = frozenset()) -> int:
    """Return a loopback port nobody listens on, `preferred` when that one is free.

    Raises `OSError` when none is found in a thousand tries.
    """
    if preferred is not None and preferred not in avoid and is_free(preferred):
        return preferred
    for _ in range(1000):
        port = _LOWEST + secrets.randbelow(_BEYOND - _LOWEST)
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {_BEYOND - 1}")


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    try:
        try_listening(LOOPBACK, port)
    except OSError:
        return False
    return True


def try_listening(host: str, port: int) -> None:
    """Bind `host` and `port` for a moment, as a server would. Raises `OSError` when that is refused."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        # Connections of an earlier server that linger in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)
