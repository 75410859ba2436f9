"""A second PostgreSQL that follows the first and can take its place."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import psycopg2

from scripts.embedded_postgres import SUPERUSER, Postgres
from scripts.ports import LOOPBACK
from tests.faults.parts import Server
from tests.faults.template import Template

AWAITED = (("synchronous_standby_names", "*"), ("synchronous_commit", "on"))
"""What the first is told: a commit is acknowledged when the second has it too."""


def standby_of(primary: Postgres, directory: Path, template: Template, port: int) -> Server:
    """Describe a standby that starts from the same data and streams the rest; not started."""
    data = directory / "standby"
    template.copy_to(data)
    signal_file = data / "standby.signal"
    signal_file.touch()
    owner = data.stat()
    os.chown(signal_file, owner.st_uid, owner.st_gid)
    source = f"host={LOOPBACK} port={primary.port} user={SUPERUSER} password={primary.password}"
    description = replace(
        primary, data=data, log=directory / "standby.log", port=port, further=(("primary_conninfo", source),)
    )
    return Server(description, data)


def promote(standby: Server) -> None:
    """Make it the one that takes writes."""
    with contextlib.closing(psycopg2.connect(standby.description.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_promote(true, 60)")
        assert cursor.fetchone() == (True,)
