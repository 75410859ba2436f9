"""`fairdeal db`: the schema."""

from __future__ import annotations

import click

from service.cli.failures import driver_words
from service.cli.printing import examples
from service.cli.setup import Setup, pass_setup
from service.domain.errors import SchemaBusy, StoreUnavailable

PATIENCE_S = 10.0
PAUSE_S = 0.2

BUSY_TRIES = 30
BUSY_PAUSE_S = 5.0
"""Between two tries the service has the tables to itself."""

COMING_UP = ("starting up", "shutting down", "not yet accepting", "refused", "No such file", "timeout", "closed")
"""What PostgreSQL, or nobody in its place, says while it comes up; anything else will not change by waiting."""


@click.group()
def db() -> None:
    """Bring the database schema up to date."""


@db.command(epilog=examples("fairdeal db upgrade"))
@pass_setup
def upgrade(setup: Setup) -> None:
    """Bring the schema to the newest revision, and say from which to which.

    Harmless to repeat, to run twice at once, and beside a service at work: where others keep a lock that a migration
    needs, it gives up within seconds and tries again, 30 times. Waits up to 10 seconds for PostgreSQL to come up.
    """
    upgrade_schema(setup)


@db.command(epilog=examples("fairdeal db current"))
@pass_setup
def current(setup: Setup) -> None:
    """Show the revision of the schema; exit status 1 when it is not what this version needs."""
    from service.wiring.schema import schema_state

    state = schema_state(setup.settings)
    click.echo(state.present or "none")
    if not state.fits:
        raise click.ClickException(f"This version needs {state.head}; run `fairdeal db upgrade`")


def upgrade_schema(setup: Setup) -> None:
    """Migrate, waiting for PostgreSQL if need be, and say what happened."""
    before, after = _upgrade_when_free(setup)
    if before == after:
        click.echo(f"schema is at {after}, the newest revision")
    else:
        click.echo(f"schema upgraded from {before or 'nothing'} to {after}")


def _upgrade_when_free(setup: Setup) -> tuple[str | None, str | None]:
    """Try again while others keep a lock that a migration needs; the last time, say so."""
    for left in range(BUSY_TRIES - 1, 0, -1):
        try:
            return _upgrade_when_up(setup)
        except SchemaBusy as exc:
            click.echo(f"{exc.detail}. Trying again in {BUSY_PAUSE_S:g} s, {left} more times", err=True)
        setup.sleep(BUSY_PAUSE_S)
    return _upgrade_when_up(setup)


def _upgrade_when_up(setup: Setup) -> tuple[str | None, str | None]:
    from service.wiring.schema import upgrade_schema as upgrade_now

    until = setup.clock() + PATIENCE_S
    while True:
        try:
            return upgrade_now(setup.settings)
        except StoreUnavailable as exc:
            is_coming_up = any(words in driver_words(exc) for words in COMING_UP)
            if not is_coming_up or setup.clock() >= until:
                raise
        setup.sleep(PAUSE_S)
