"""Clients over HTTP, and what they wrote down: each operation as it was sent, and how it ended as far as they know."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scripts.ports import LOOPBACK
from tests.faults.template import PASSWORD, Person

Outcome = Literal["ok", "fail", "unknown"]
TIMEOUT_S = 10.0
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request: acknowledged (ok), surely without effect (fail), or nobody knows.

    `tickets` is the hand that a fetch showed, or the ticket that was made; `about` is what else matters (the email of a
    sale, the receiver of a ticket). Times are `time.time()`.
    """

    number: int
    kind: str
    who_id: int
    began_s: float
    ticket_id: int | None = None
    about: str = ""
    ended_s: float = 0.0
    outcome: Outcome = "unknown"
    status: int | None = None
    code: str | None = None
    tickets: tuple[int, ...] = ()
    served_by: str | None = None


class History:
    """What all clients did. An operation that was sent and has not ended is unknown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[int, Operation] = {}
        self._ended: list[Operation] = []
        self._outcomes: Counter[Outcome] = Counter()

    def invoke(self, kind: str, who_id: int, *, ticket_id: int | None, about: str) -> Operation:
        """Note that something is about to be sent."""
        with self._lock:
            operation = Operation(
                number=len(self._under_way) + len(self._ended), kind=kind, who_id=who_id, began_s=time.time(),
                ticket_id=ticket_id, about=about,
            )  # fmt: skip
            self._under_way[operation.number] = operation
        return operation

    def end(self, operation: Operation, **facts: Any) -> Operation:
        """Note how it ended."""
        done = replace(operation, ended_s=time.time(), **facts)
        with self._lock:
            del self._under_way[operation.number]
            self._ended.append(done)
            self._outcomes[done.outcome] += 1
        return done

    def ended(self) -> list[Operation]:
        with self._lock:
            return list(self._ended)

    def all(self) -> list[Operation]:
        """List everything, what is still under way as unknown."""
        with self._lock:
            return [*self._ended, *self._under_way.values()]

    def count(self, outcome: Outcome | None = None) -> int:
        with self._lock:
            return self._outcomes.total() if outcome is None else self._outcomes[outcome]

    def dump(self, path: Path) -> None:
        """Write everything down, for somebody to look at."""
        operations = sorted(self.all(), key=lambda operation: operation.number)
        path.write_text("".join(json.dumps(asdict(operation)) + "\n" for operation in operations))


class Client:
    """One person with one kept-alive connection, used by one thread."""

    def __init__(
        self, port: int, person: Person, history: History, *, timeout_s: float = TIMEOUT_S, host: str = LOOPBACK
    ) -> None:
        self.person, self.history, self._host = person, history, host
        self._port, self._timeout_s = port, timeout_s
        self._token = person.token
        self._connection: http.client.HTTPConnection | None = None

    def do(
        self,
        kind: str,
        method: str,
        path: str,
        body: object = None,
        *,
        ticket_id: int | None = None,
        about: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Operation, Any]:
        """Do one operation; return how it ended, and what was answered. Raises nothing that a network does."""
        operation = self.history.invoke(kind, self.person.id, ticket_id=ticket_id, about=about)
        try:
            connection = self._connected()
        except OSError as exc:  # nothing was sent
            return self.history.end(operation, outcome="fail", code=type(exc).__name__), None
        try:
            status, served_by, answer = self._exchange(connection, method, path, body, headers or {})
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self.close()
            return self.history.end(operation, outcome="unknown", code=type(exc).__name__), None
        facts = {"status": status, "served_by": served_by, "tickets": _tickets(answer)}
        return self.history.end(operation, outcome=_outcome(status), code=_code(answer), **facts), answer

    def sign_in(self) -> bool:
        """Open a new session, e.g. after one was deactivated and let back in; say whether that was granted."""
        body = {"username": self.person.username, "password": PASSWORD}
        operation, answer = self.do("sign-in", "POST", "/api/token", body)
        if operation.outcome == "ok":
            self._token = answer["access"]
        return operation.outcome == "ok"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:
            self.close()
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            try:
                connection.connect()
            except OSError:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, str | None, Any]:
        content = None if body is None else json.dumps(body)
        given = {"Authorization": f"Bearer {self._token}", **headers}
        if content is not None:
            given["Content-Type"] = "application/json"
        connection.request(method, path, content, given)
        response = connection.getresponse()
        raw = response.read()
        return response.status, response.headers.get("X-Fairdeal-Served-By"), json.loads(raw) if raw else None


def _outcome(status: int) -> Outcome:
    if status < 300:
        return "ok"
    return "unknown" if status >= SERVER_ERROR else "fail"


def _code(answer: Any) -> str | None:
    return answer.get("code") if isinstance(answer, dict) else None


def _tickets(answer: Any) -> tuple[int, ...]:
    """Name the tickets of a hand, or the one ticket that was answered."""
    if not isinstance(answer, dict):
        return ()
    if "tickets" in answer:
        return tuple(ticket["id"] for ticket in answer["tickets"])
    return (answer["id"],) if "epoch" in answer else ()
