"""Databases of one measurement, made from a common template, on the throwaway PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from psycopg2.extras import register_uuid

OWNER = "fairdeal"


class Databases:
    """Make databases that belong to an ordinary account, as `run` has them."""

    def __init__(self, superuser_url: str, password: str) -> None:
        """`password` is the one the ordinary account gets."""
        self._superuser_url = superuser_url
        self._password = password
        self._run(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(OWNER), sql.Literal(password)))

    def make(self, name: str, *, template: str | None = None) -> str:
        """Make a database, empty or as a copy of another that nobody uses; return its URL."""
        copied = (
            sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template)) if template else sql.SQL("")
        )
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        self._run(statement + copied)
        parts = urlsplit(self._superuser_url)
        return f"postgresql://{OWNER}:{self._password}@{parts.hostname}:{parts.port}/{name}"

    def checkpoint(self) -> None:
        """Write out what is due: before a scenario, and not before each round.

        Whatever is changed for the first time after a checkpoint goes to the log as a whole page. Once in five minutes,
        as PostgreSQL does it by itself, that is little; before each round it would be most of what is written.
        """
        self._run(sql.SQL("CHECKPOINT"))

    @contextmanager
    def superuser_of(self, name: str) -> Iterator[Connection]:
        """Connect to a database as the superuser, each statement its own transaction."""
        connection = psycopg2.connect(self._superuser_url.removesuffix("/postgres") + f"/{name}")
        connection.autocommit = True
        register_uuid(conn_or_curs=connection)
        try:
            yield connection
        finally:
            connection.close()

    def version(self) -> str:
        """Say which PostgreSQL it is."""
        with self.superuser_of("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            return str(cursor.fetchone()[0])

    def _run(self, statement: sql.Composable) -> None:
        with self.superuser_of("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(statement)
