"""Write the README's table of settings: `python -m scripts.render_settings`."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from service.config import Settings

README = Path(__file__).parent.parent / "README.md"
PART = re.compile(r"(<!-- settings: [^>]* -->\n).*?(<!-- /settings -->)", re.DOTALL)


def table() -> str:
    """Render one row for each environment variable."""
    rows = [_row(name) for name in Settings.model_fields]
    return "\n".join(["| variable | meaning | default |", "|---|---|---|", *rows, ""])


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = "" if field.default in (PydanticUndefined, None) else f"`{field.default}`"
    return f"| `{name.upper()}` | {field.description} | {default} |"


def current() -> str:
    """Read the table that stands in the README."""
    return PART.search(README.read_text())[0]  # type: ignore[index]


def renewed() -> str:
    """Return the part of the README as it should be."""
    return PART.sub(lambda part: f"{part[1]}{table()}{part[2]}", current())


if __name__ == "__main__":
    README.write_text(README.read_text().replace(current(), renewed()))
