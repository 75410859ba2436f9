"""`fairdeal openapi`: the description of the API."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.cli.printing import examples

NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@localhost/nothing",
    "REDIS_URL": "redis://localhost/0",
    "JWT_SECRET_KEY": "never used: nobody signs in to a document",
}
"""Settings that will do, since nothing connects."""


@click.command(epilog=examples("fairdeal openapi > openapi.json", "fairdeal openapi --output docs/openapi.json"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def openapi(*, output: Path | None) -> None:
    """Print the OpenAPI document of the HTTP API; needs no server and no settings."""
    text = json.dumps(document(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise click.ClickException(f"{output} cannot be written: {exc.strerror}") from exc


def document() -> object:
    """Make the document, with settings that would lead nowhere."""
    from service.api.app import create_app
    from service.bootstrap import build_container
    from service.config import load

    container = build_container(load(NOWHERE))
    try:
        return create_app(container).test_client().get("/openapi.json").get_json()
    finally:
        container.close()
