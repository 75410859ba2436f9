"""How PostgreSQL is set up: see `service.usecases.ports.doctor`."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.store.engine import statement
from service.usecases.ports.doctor import DatabaseFacts

NAMES = ("fsync", "synchronous_commit", "full_page_writes", "max_connections", "superuser_reserved_connections")

LOOK = text("""
SELECT version() AS version, CAST(current_setting('server_version_num') AS integer) AS number,
       pg_is_in_recovery() AS is_standby, pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections
""")
CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::double precision")
SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name = ANY (:names)")


class PostgresLook:
    """Ask PostgreSQL about itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self) -> DatabaseFacts:
        """Ask four questions, the clock last: by then the connection is there."""
        with statement(self._engine) as connection:
            row = connection.execute(LOOK).one()
            settings = connection.execute(SETTINGS, {"names": list(NAMES)}).all()
            clock_s = connection.execute(CLOCK).scalar_one()
        return DatabaseFacts(
            version=row.version.split(" on ")[0],
            version_number=row.number,
            clock_s=clock_s,
            is_standby=row.is_standby,
            settings={row.name: row.setting for row in settings},
            connections=row.connections,
            size_bytes=row.size_bytes,
        )
