"""Bring the database up to date and make the first accounts, in one process: importing the service takes longest."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys

RESULT = "result "
"""Begins the line that reports what the commands printed, by command."""


def run_command(arguments: list[str]) -> None:
    """Run `python -m service` with arguments, in this process. Raises `SystemExit` when it fails."""
    sys.argv = ["fairdeal", *arguments]
    try:
        runpy.run_module("service", run_name="__main__", alter_sys=False)
    except SystemExit as exc:
        if exc.code not in (None, 0):
            raise


def main(arguments: list[str]) -> None:
    """Migrate, make the first admin and, with --demo, the demo data; report what was printed."""
    run_command(["db", "upgrade"])
    commands = {"admin": ["user", "ensure-admin"]} | ({"demo": ["demo"]} if "--demo" in arguments else {})
    printed: dict[str, str] = {}
    for name, command in commands.items():
        with contextlib.redirect_stdout(io.StringIO()) as words:
            try:
                run_command(command)
            except SystemExit:
                sys.stderr.write(words.getvalue())
                raise
        printed[name] = words.getvalue()
    print(RESULT + json.dumps(printed), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
