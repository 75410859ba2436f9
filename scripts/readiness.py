"""Asking the web server whether the service is ready."""

from __future__ import annotations

import http.client

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - told apart, not bound


def reachable_host(host: str) -> str:
    """Return an address under which a server that listens on `host` is reached from here."""
    return _ANY_ADDRESS.get(host, host)


def base_url(host: str, port: int) -> str:
    """Return the URL of a server that listens on `host` and `port`."""
    name = reachable_host(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def unready_reason(host: str, port: int) -> str | None:
    """Return None when the service is ready, else what it answered."""
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as exc:
        return f"no answer ({exc})"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"status {answer.status}: {body}"
