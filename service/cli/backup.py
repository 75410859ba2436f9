"""`fairdeal backup` and `fairdeal restore`: everything in one file, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from service.cli.printing import ProgressLine, examples
from service.cli.setup import Setup, pass_setup
from service.domain.errors import QueueUnavailable
from service.usecases.backup import Manifest, Progress


@click.command(epilog=examples("fairdeal backup", "fairdeal backup /srv/backups/monday.fairdeal"))
@click.argument("file", type=click.Path(path_type=Path), required=False)
@pass_setup
def backup(setup: Setup, file: Path | None) -> None:
    """Write all of PostgreSQL's rows, as they are at one moment, to FILE.

    The service goes on meanwhile. The default is fairdeal-DATE-TIME.fairdeal here. The file holds customers' data and
    password hashes: it is readable for its owner alone, and is to be kept as safe as the database. Redis needs no
    backup.
    """
    from service.wiring.backup import backups

    path = file or Path(f"fairdeal-{datetime.now(UTC):%Y%m%d-%H%M%S}.fairdeal")
    line = ProgressLine()
    with backups(setup.settings) as made:
        manifest = made.write(path, progress=_progress(line, "backing up"))
    line.clear()
    size = path.stat().st_size
    click.echo(f"{path}: {_contents(manifest)}, {size / 1024 / 1024:,.1f} MiB")


@click.command(epilog=examples("fairdeal restore monday.fairdeal", "fairdeal restore monday.fairdeal --yes"))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_setup
def restore(setup: Setup, file: Path, *, yes: bool) -> None:
    """Replace everything in PostgreSQL by what FILE holds, as a whole or not at all, and build the queue anew.

    Stop web, workers and clock first, or requests will fail while it runs. Into an empty database an older backup may
    go too; it is then brought to this version's schema. Everybody signs in anew.
    """
    from service.wiring.backup import backups

    line = ProgressLine()
    with backups(setup.settings) as made:
        manifest = made.read(file)
        made.check(manifest)
        if not yes and made.overwrites():
            click.echo(f"{file}, made {manifest.made_at}: {_contents(manifest)}")
            click.confirm("Throw away what is in the database now, and put this in its place?", abort=True)
        made.restore(file, progress=_progress(line, "restoring"))
    line.clear()
    click.echo(f"restored {_contents(manifest)}, as of {manifest.made_at}")
    _rebuild(setup)


def _rebuild(setup: Setup) -> None:
    try:
        run = setup.container.queue_rebuild.run()
    except QueueUnavailable:
        click.echo("Redis does not answer: when it is back, run `fairdeal queue rebuild`", err=True)
        return
    click.echo(f"the queue was built anew ({run.status}); now run `fairdeal verify`")


def _progress(line: ProgressLine, act: str) -> Progress:
    return lambda table, number, count: line.show(f"{act} {number}/{count}: {table}")


def _contents(manifest: Manifest) -> str:
    rows = manifest.rows
    return f"{rows.get('tickets', 0):,} tickets, {rows.get('users', 0):,} users, {sum(rows.values()):,} rows in all"
