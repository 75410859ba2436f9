"""`fairdeal erase-customer`: a person's data, on their demand."""

from __future__ import annotations

import click

from service.cli.printing import examples, json_option, print_json
from service.cli.setup import Setup, pass_setup
from service.usecases.ports.erasure import Erasure


@click.command(
    "erase-customer",
    epilog=examples("fairdeal erase-customer kim@example.com --dry-run", "fairdeal erase-customer 7 --texts --yes"),
)
@click.argument("customer")
@click.option("--texts", is_flag=True, help="Empty the subjects and descriptions of the tickets sold to them, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_setup
def erase_customer(setup: Setup, *, customer: str, texts: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Erase the personal data of a CUSTOMER, given by email address or id. There is no way back.

    Their tickets stay sold, and their history stays, to a customer without a name. Backups are not changed: a restore
    brings the data back, so keep a list of ids to erase again.
    """
    erasures = setup.container.erasures
    customer_id = int(customer) if customer.isdecimal() else erasures.find(customer)
    if not dry_run and not yes:
        _print(erasures.erase(customer_id, texts=texts, dry_run=True))
        click.confirm("Erase this for ever?", abort=True)
    done = erasures.erase(customer_id, texts=texts, dry_run=dry_run)
    if as_json:
        print_json(done)
    else:
        _print(done)


def _print(erasure: Erasure) -> None:
    verb = "would be" if erasure.dry_run else "were"
    click.echo(
        f"customer {erasure.customer_id}: name and email {verb} erased, from {erasure.tickets:,} sold tickets; "
        f"{erasure.texts:,} texts and {erasure.replies:,} kept replies {verb} emptied of them"
    )
    if erasure.kept_texts:
        click.echo(f"{erasure.kept_texts:,} texts or notes name their address and stay: see to them by hand")
