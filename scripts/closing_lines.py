"""What `./scripts/run` says once the service is ready."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.readiness import base_url
from service.config import Settings

_GENERATED = re.compile(r"^generated password: (\S+)$", re.MULTILINE)


def closing_lines(settings: Settings, var_dir: Path, *, admin: str, demo: str, elapsed_s: float) -> str:
    """Say where the service is and how to log in. `admin` and `demo` are what the commands printed."""
    url = base_url(settings.host, settings.port)
    facts = {
        "Open": url,
        "API": f"{url}/docs",
        "Log in": _login(settings, admin),
        "Data": f"{var_dir}",
        "Logs": f"here; the database servers' are in {var_dir / 'log'}",
        "Commands": "./scripts/fairdeal --help",
        "Stop": "Ctrl-C",
    }
    lines = [f"Fairdeal is ready after {elapsed_s:.1f} s.", *(f"  {name:<9} {fact}" for name, fact in facts.items())]
    if demo.strip():
        lines += ["", "Demo:", *(f"  {line}" for line in demo.strip().splitlines())]
    return "\n".join(["", *lines, ""])


def _login(settings: Settings, admin: str) -> str:
    generated = _GENERATED.search(admin)
    if generated:
        return f"{settings.admin_username} / {generated[1]}   (shown only this once: keep it)"
    return f"{settings.admin_username}, with the password of the first start"
