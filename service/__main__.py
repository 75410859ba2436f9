"""`python -m service`: the command line."""

from __future__ import annotations

from service.cli import cli


def main() -> None:
    """Run the command that the arguments name; ends the process."""
    cli(prog_name="fairdeal")


if __name__ == "__main__":
    main()
