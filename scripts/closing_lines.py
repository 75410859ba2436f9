"""What `./scripts/run` says once the service is ready."""

from __future__ import annotations

from pathlib import Path

from scripts.prepared import Prepared


def closing_lines(url: str, var_dir: Path, prepared: Prepared, *, elapsed_s: float) -> str:
    """Say where the service is, how to log in, and where things are kept."""
    facts = {
        "Open": url,
        "API": f"{url}/docs",
        "Log in": prepared.login,
        "Data": f"{var_dir}",
        "Logs": f"here; the database servers' are in {var_dir / 'log'}",
        "Commands": "./scripts/fairdeal --help",
        "Stop": "Ctrl-C",
    }
    lines = [f"Fairdeal is ready after {elapsed_s:.1f} s.", *(f"  {name:<9} {fact}" for name, fact in facts.items())]
    if prepared.unused:
        lines += ["", f"  {prepared.unused}"]
    if prepared.demo:
        lines += ["", *(f"  {line}" for line in prepared.demo)]
    return "\n".join(["", *lines, ""])
