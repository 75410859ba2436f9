"""What `./scripts/run --help` says."""

from __future__ import annotations

import os
import textwrap

from pydantic_core import PydanticUndefined

from service.config import Settings

_HEAD = """\
Usage: ./scripts/run [--demo] [--help]

Start Fairdeal: PostgreSQL and Valkey (embedded, unless you name your own), the web server, the worker and the
clock. Ctrl-C or SIGTERM stops all of it. Data are kept between runs.

  --demo    also make demo agents, customers and tickets, and say how to log in as them
  --help    show this text

Examples:
  ./scripts/run                                 on http://127.0.0.1:8000
  PORT=9000 VAR_DIR=/srv/fairdeal ./scripts/run
  DATABASE_URL=postgresql://fairdeal:secret@db.example/fairdeal ./scripts/run
  ADMIN_PASSWORD='...' ./scripts/run            instead of a generated password, on new data

While it runs: ./scripts/fairdeal --help is the command line on the same data.

Exit status: 0 stopped when asked to, 1 could not start, 2 a wrong argument or variable.

Environment variables (an empty one counts as not set):
"""


def usage() -> str:
    """Return the help text, with every variable that the service reads, its meaning and its default."""
    return _HEAD + "\n".join(_variable(name) for name in Settings.model_fields)


def _variable(name: str) -> str:
    field = Settings.model_fields[name]
    about = field.description or ""
    if field.default is not PydanticUndefined and field.default is not None:
        about += f" [default: {os.fspath(field.default) if isinstance(field.default, os.PathLike) else field.default}]"
    indent = " " * (2 + max(map(len, Settings.model_fields)) + 1)
    lines = textwrap.fill(about, width=110, initial_indent=indent, subsequent_indent=indent)
    head = f"  {name.upper()}"
    return f"{head:<{len(indent)}}{lines.lstrip()}"
