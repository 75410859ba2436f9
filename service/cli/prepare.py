"""`fairdeal prepare`: everything a start needs, in one process (importing the service takes longest)."""

from __future__ import annotations

import click

from service.cli.db import upgrade_schema
from service.cli.demo import lay_demo
from service.cli.setup import Setup, pass_setup
from service.cli.user import ensure_first_admin


@click.command(hidden=True)
@click.option("--demo", "with_demo", is_flag=True, help="Lay the demo data too.")
@pass_setup
def prepare(setup: Setup, *, with_demo: bool) -> None:
    """Do `db upgrade`, `user ensure-admin` and, if asked, `demo`."""
    upgrade_schema(setup)
    ensure_first_admin(setup)
    if with_demo:
        lay_demo(setup)
