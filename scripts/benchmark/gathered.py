"""Group commit by a thread, to be measured against its absence: claims that wait for one another share a transaction.

Not for use: who shares a transaction shares its failure and its locks (docs/adr/0041). Whoever finds nobody at it
carries out all that wait, in the order of their agents, and so on until nobody waits.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from service.store.prepared import Prepared

AT_ONCE = 16


class _Waiting:
    """One claim that waits for its rows."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.done = threading.Event()
        self.rows: list[tuple[Any, ...]] | None = None


class Gathered:
    """Carry out a prepared statement for several threads in one transaction."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_led = False

    def rows(self, engine: Engine, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Wait for the rows; what went wrong in company is tried again alone."""
        mine = _Waiting(values)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if leads:
            self._lead(engine)
        mine.done.wait()
        return self._prepared.rows(engine, values) if mine.rows is None else mine.rows

    def _lead(self, engine: Engine) -> None:
        while True:
            with self._lock:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                self._is_led = bool(batch)
            if not batch:
                return
            try:
                self._carry_out(engine, sorted(batch, key=lambda each: int(each.values["agent_id"])))
            finally:
                for each in batch:
                    each.done.set()

    def _carry_out(self, engine: Engine, batch: list[_Waiting]) -> None:
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            if connection.info.setdefault("gathered", None) is None:
                cursor.execute(self._prepared.prepare.replace(self._prepared.name, "gathered"))
                connection.info["gathered"] = True
            execute = self._prepared.execute.replace(self._prepared.name, "gathered")
            found: list[list[tuple[Any, ...]]] = []
            for each in batch:
                cursor.execute(execute, each.values)
                found.append(list(cursor.fetchall()))
            connection.commit()
            for each, rows in zip(batch, found, strict=True):
                each.rows = rows
        finally:
            connection.close()
