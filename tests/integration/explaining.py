"""Seeing how PostgreSQL carries out what the store asks: every statement explained before it runs, as it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event

from service.store.patience import WatchedCursor

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) "


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement and its plan, with what carrying it out really took."""

    statement: str
    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", [])
            yield node

    @property
    def buffers(self) -> int:
        """Count the pages looked at, wherever they were found. Time would depend on the machine, this does not."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    @property
    def most_rows(self) -> int:
        """Count the rows that went through the busiest node, those that a filter dropped included."""
        return max(
            int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
            for node in self.nodes()
        )

    def scanned(self) -> set[str]:
        """Name the tables read from end to end."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    def told(self) -> str:
        """Say it all, for a test that failed."""
        lines = [
            f"{node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')}: "
            f"{node['Actual Rows']} rows x {node['Actual Loops']}, {node.get('Rows Removed by Filter', 0)} dropped"
            for node in self.nodes()
        ]
        return "\n".join([self.statement, f"{self.buffers} buffers", *lines])


@contextmanager
def explained(engine: Engine) -> Iterator[list[Plan]]:
    """Explain every statement made within, on its own connection and with its own parameters, and then let it run.

    What explaining changed is rolled back: to a savepoint within a transaction, else as a transaction of its own.
    """
    plans: list[Plan] = []
    execute = WatchedCursor.execute

    def explain_prepared(cursor: Any, query: Any, values: Any = None) -> None:
        """Explain what `service.store.prepared` carries out past SQLAlchemy, as it is planned there."""
        if isinstance(query, str) and query.startswith("EXECUTE "):
            with cursor.connection.cursor() as other:
                execute(other, "BEGIN")
                execute(other, EXPLAIN + query, values)
                [[found]] = other.fetchall()
                execute(other, "ROLLBACK")
            [answer] = json.loads(found) if isinstance(found, str) else found
            plans.append(Plan(query, answer["Plan"]))
        execute(cursor, query, values)

    def explain(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        autocommits = conn.connection.dbapi_connection.autocommit
        begin, undo = ("BEGIN", "ROLLBACK") if autocommits else ("SAVEPOINT plan", "ROLLBACK TO SAVEPOINT plan")
        with conn.connection.cursor() as other:
            other.execute(begin)
            other.execute(EXPLAIN + statement, parameters)
            [[found]] = other.fetchall()
            other.execute(undo)
        [answer] = json.loads(found) if isinstance(found, str) else found
        plans.append(Plan(statement, answer["Plan"]))

    event.listen(engine, "before_cursor_execute", explain)
    WatchedCursor.execute = explain_prepared  # type: ignore[method-assign]
    try:
        yield plans
    finally:
        WatchedCursor.execute = execute  # type: ignore[method-assign]
        event.remove(engine, "before_cursor_execute", explain)
