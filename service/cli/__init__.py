"""The command line: `fairdeal`, one file for each noun."""

from __future__ import annotations

import click

from service import __version__
from service.cli import (
    archive,
    backup,
    db,
    demo,
    dispatch,
    doctor,
    erase_customer,
    explain,
    mail,
    openapi,
    prepare,
    queue,
    reconcile,
    ticket_export,
    ticket_import,
    user,
    verify,
    webhooks,
)
from service.cli.failures import FairdealGroup
from service.cli.setup import Setup


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


for command in (
    db.db,
    user.user,
    queue.queue,
    reconcile.reconcile,
    dispatch.dispatch,
    verify.verify,
    doctor.doctor,
    backup.backup,
    backup.restore,
    erase_customer.erase_customer,
    archive.archive,
    webhooks.webhooks,
    explain.explain,
    mail.mail,
    ticket_import.import_tickets,
    ticket_export.export_tickets,
    openapi.openapi,
    demo.demo,
    prepare.prepare,
):
    cli.add_command(command)
