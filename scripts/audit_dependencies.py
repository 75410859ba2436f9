"""Look the locked dependencies up in the databases of known holes, by pip-audit: `./scripts/audit`.

A mirror of PyPI without advisories answers "not found" for every package, and an audit of nothing passes. So a package
that is known to have holes is looked up first: whichever service does not find them is not asked about ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("osv", "pypi")
KNOWN_BAD = "jinja2==2.4.1"
"""Has had advisories for a decade."""

TIMEOUT_S = 240


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up, what has holes, and what nothing is known of."""

    looked_up: int
    holes: tuple[str, ...]
    unknown: tuple[str, ...]


Ask = Callable[[str, Path], Found | None]
"""Given a service and a lock file, look its packages up; None where the service cannot be asked."""


def by_pip_audit(service: str, lock: Path) -> Found | None:
    """Ask by pip-audit, which exits with 1 for holes and for a service that is away: its output tells which."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    command += ["--progress-spinner", "off", "--disable-pip", "--no-deps", "--requirement", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        return read(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError):
        return None


def read(answer: dict[str, Any]) -> Found:
    """Read what pip-audit writes as JSON."""
    listed = answer["dependencies"]
    return Found(
        looked_up=len(listed),
        holes=tuple(
            f"{each['name']} {each['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
            for each in listed
            for hole in each.get("vulns", ())
        ),
        unknown=tuple(each["name"] for each in listed if "skip_reason" in each),
    )


def service_with_advisories(ask: Ask) -> str | None:
    """Name a service that knows of the holes that everybody knows of."""
    with TemporaryDirectory() as directory:
        lock = Path(directory) / "known-bad.txt"
        lock.write_text(f"{KNOWN_BAD}\n")
        return next((service for service in SERVICES if (found := ask(service, lock)) and found.holes), None)


def audit(ask: Ask, locks: Sequence[Path], *, required: bool) -> int:
    """Look everything up, say what was found, and return the exit status."""
    service = service_with_advisories(ask)
    if service is None:
        print(
            "Dependencies were NOT audited: no service here knows of any advisory. Run this where OSV or PyPI answer."
        )
        return int(required)
    is_well = True
    for lock in locks:
        found = ask(service, lock)
        if found is None:
            print(f"{lock.name}: {service} stopped answering")
            return 1
        print(f"{lock.name}: {found.looked_up} packages, {len(found.holes)} known holes ({service})")
        for line in (*found.holes, *(f"{name}: nothing is known of it" for name in found.unknown)):
            print(f"  {line}")
        is_well = is_well and not found.holes and not found.unknown
    return int(not is_well)


def main(given: Sequence[str]) -> int:
    """Audit every lock file of the checkout."""
    return audit(by_pip_audit, sorted(ROOT.glob("requirements*.txt")), required="--required" in given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
