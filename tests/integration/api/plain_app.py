"""A WSGI application that shows how a worker treats connections."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer `/echo` with the body, `/wait` when a file named by the query is there, anything else without looking."""
    path, body = environ["PATH_INFO"], b"fine"
    if path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/wait":
        gate = Path(environ["QUERY_STRING"])
        gate.with_suffix(".begun").touch()
        while not gate.exists():
            time.sleep(0.01)
    elif path == "/exit":
        raise SystemExit(1)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
