"""`fairdeal demo`: a team to try things with."""

from __future__ import annotations

import click

from service.cli.printing import examples, print_table
from service.cli.setup import Setup, pass_setup
from service.usecases.demo import PASSWORD


@click.command(epilog=examples("fairdeal demo"))
@pass_setup
def demo(setup: Setup) -> None:
    """Lay demo data: ten agents, an operator, some customers and 300 tickets.

    Running it again adds nothing. All demo accounts share one password that everybody can look up: never do this
    where strangers can reach the service.
    """
    lay_demo(setup)


def lay_demo(setup: Setup) -> None:
    """Lay the demo data and print the logins."""
    result = setup.container.demo.lay()
    click.echo(
        f"demo: {result.accounts_made} accounts made, {result.tickets_made} tickets made, "
        f"{result.tickets_held} of them held and {result.tickets_sold} sold"
    )
    if result.names_taken:
        click.echo(f"left alone, the names are somebody's already: {', '.join(result.names_taken)}")
    rows = [[one.username, one.role, one.name, one.remarks] for one in result.accounts]
    print_table(["login", "role", "name", "remarks"], rows)
    click.echo(f"demo password of them all (for demos only, unless changed): {PASSWORD}")
