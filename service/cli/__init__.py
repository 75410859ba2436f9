"""The command line: `fairdeal`, one file for each noun."""

from __future__ import annotations

import click

from service import __version__
from service.cli.db import db
from service.cli.demo import demo
from service.cli.failures import FairdealGroup
from service.cli.openapi import openapi
from service.cli.prepare import prepare
from service.cli.queue import queue
from service.cli.reconcile import reconcile
from service.cli.setup import Setup
from service.cli.ticket_import import import_tickets
from service.cli.user import user
from service.cli.verify import verify


@click.group(cls=FairdealGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fairdeal")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run and look after Fairdeal, which deals support tickets to agents.

    The settings come from the environment: DATABASE_URL, REDIS_URL and JWT_SECRET_KEY are needed, the README lists
    the others. While ./scripts/run is running, ./scripts/fairdeal uses the same settings and data.

    Exit status: 0 done, 1 failed or not all well, 2 wrong usage or environment.
    """
    if context.obj is None:
        context.obj = Setup()
    context.call_on_close(context.obj.close)


for command in (db, user, queue, reconcile, verify, import_tickets, openapi, demo, prepare):
    cli.add_command(command)
