"""How PostgreSQL is set up: see `service.usecases.ports.doctor`."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.store.engine import statement
from service.usecases.ports.doctor import DatabaseFacts, ReplicaFacts

NAMES = ("fsync", "synchronous_commit", "full_page_writes", "max_connections", "superuser_reserved_connections")

LOOK = text("""
SELECT version() AS version, CAST(current_setting('server_version_num') AS integer) AS number,
       pg_is_in_recovery() AS is_standby, pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections
""")
CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::double precision")
SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name = ANY (:names)")

WRITTEN = text("""
SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster,
       CAST(CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END AS text) AS point
""")
REPLAYED = text("""
SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster, pg_is_in_recovery() AS is_standby,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS is_paused,
       coalesce(greatest(pg_wal_lsn_diff(CAST(:point AS pg_lsn), pg_last_wal_replay_lsn()), 0), 0) AS behind
""")


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


class PostgresReplicaLook:
    """Ask a primary how far it is, and then a replica."""

    def __init__(self, primary: Engine, replica: Engine) -> None:
        self._primary = primary
        self._replica = replica

    def look(self) -> ReplicaFacts:
        """Compare the two; what the replica replays between the questions is not held against it."""
        with statement(self._primary) as connection:
            primary = connection.execute(WRITTEN).one()
        with statement(self._replica) as connection:
            row = connection.execute(REPLAYED, {"point": primary.point}).one()
        return ReplicaFacts(
            is_standby=row.is_standby,
            is_of_the_primary=row.cluster == primary.cluster,
            is_paused=row.is_paused,
            behind_bytes=int(row.behind),
        )
