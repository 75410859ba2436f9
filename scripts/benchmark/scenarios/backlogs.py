"""Backlogs of several sizes side by side, each in a database and under a key prefix of its own."""

from __future__ import annotations

from scripts.benchmark import stock
from scripts.benchmark.sites import Site
from scripts.benchmark.stage import Stage


def site_of(stage: Stage, tickets: int) -> Site:
    """Return the site with a backlog of so many tickets, made when first asked for."""
    name = f"backlog-{tickets}"
    if not stage.has_site(name):
        stage.say(f"making a backlog of {tickets:,} tickets")
        site = stage.site(name)
        with stage.databases.superuser_of(name) as connection:
            stock.lay_backlog(connection, tickets)
        stage.site(f"plain-{tickets}", template=name)
        site.container.queue_rebuild.run()
    return stage.site(name)
