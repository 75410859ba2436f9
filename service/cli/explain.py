"""`fairdeal explain`: why a ticket is where it is."""

from __future__ import annotations

import click

from service.cli.printing import examples, json_option, print_json
from service.cli.setup import Setup, pass_setup


@click.command(epilog=examples("fairdeal explain 4711", "fairdeal explain 4711 --json"))
@click.argument("ticket_id", metavar="TICKET", type=click.IntRange(min=1))
@json_option
@pass_setup
def explain(setup: Setup, *, ticket_id: int, as_json: bool) -> None:
    """Say where TICKET stands in its queue or who has it, since when, why, and who may take it.

    TICKET is its id. Exit status 1 when there is no such ticket.
    """
    explained = setup.container.explanations.explain(ticket_id)
    if as_json:
        print_json(explained)
    else:
        click.echo("\n".join(explained.words))
