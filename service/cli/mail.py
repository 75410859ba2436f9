"""`fairdeal mail`: whether mail arrives."""

from __future__ import annotations

import click

from service.cli.printing import examples
from service.cli.setup import Setup, pass_setup
from service.usecases.ports.mails import NotSent


@click.group()
def mail() -> None:
    """Look after the mails that agents get."""


@mail.command(epilog=examples("fairdeal mail test you@example.com"))
@click.argument("address")
@pass_setup
def test(setup: Setup, *, address: str) -> None:
    """Send a letter to ADDRESS by the server in SMTP_URL, at once, and say what the server said.

    Without SMTP_URL it becomes a file. Exit status 1 when it was not accepted.
    """
    try:
        where = setup.container.mails.send_trial(address)
    except NotSent as exc:
        raise click.ClickException(exc.why) from exc
    click.echo(f"Sent to {address} by way of {where}")
