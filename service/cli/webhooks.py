"""`fairdeal webhooks`: who is told of what, and sending again what was given up."""

from __future__ import annotations

import click

from service.cli.printing import examples, json_option, print_json, print_table
from service.cli.setup import Setup, pass_setup
from service.domain.webhooks import Webhook
from service.usecases.ports.paging import PageRequest

MOST = 1_000


@click.group()
def webhooks() -> None:
    """Look at webhooks, or send again what was given up."""


@webhooks.command("list", epilog=examples("fairdeal webhooks list", "fairdeal webhooks list --json"))
@json_option
@pass_setup
def list_webhooks(setup: Setup, *, as_json: bool) -> None:
    """List webhooks, how they fare, and why the service has switched some off."""
    found = setup.container.webhooks.page(PageRequest(limit=MOST)).items
    if as_json:
        print_json(found)
        return
    rows = [[one.id, one.url, ",".join(one.causes) or "all", one.delivered, one.failures, _state(one)] for one in found]
    print_table(["id", "url", "causes", "delivered", "failures", "state"], rows)


@webhooks.command(epilog=examples("fairdeal webhooks redeliver 3 812", "fairdeal webhooks redeliver 3 --failed"))
@click.argument("webhook_id", metavar="WEBHOOK", type=click.IntRange(min=1))
@click.argument("delivery_id", metavar="[DELIVERY]", type=click.IntRange(min=1), required=False)
@click.option("--failed", is_flag=True, help="All deliveries of this webhook that were given up.")
@pass_setup
def redeliver(setup: Setup, *, webhook_id: int, delivery_id: int | None, failed: bool) -> None:
    """Have DELIVERY sent again, or all that were given up; a worker does so within seconds."""
    if failed == (delivery_id is not None):
        raise click.UsageError("Name a delivery, or say --failed")
    if delivery_id is not None:
        setup.container.webhooks.redeliver(webhook_id, delivery_id)
    count = setup.container.webhooks.redeliver_failed(webhook_id) if failed else 1
    click.echo(f"to be sent again: {count}")


def _state(webhook: Webhook) -> str:
    if webhook.is_active:
        return "failing" if webhook.failures else "active"
    return f"off: {webhook.disabled_why}"
