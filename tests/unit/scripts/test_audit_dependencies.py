"""An audit that finds nothing because it was told nothing must not look like one that found nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.audit_dependencies import Found, audit, read

LOCKS = [Path("requirements.txt"), Path("requirements-dev.txt")]
BAD = Found(1, ("jinja2 2.4.1: X-1, mended in 2.8.1",), ())


def service(*, knows: bool = True, ours: Found | None = None, reached: bool = True) -> object:
    def ask(name: str, lock: Path) -> Found | None:
        if name != "osv" or not reached:
            return None
        if lock.name == "known-bad.txt":
            return BAD if knows else Found(1, (), ("jinja2",))
        return ours

    return ask


@pytest.mark.parametrize("silent", [service(knows=False), service(reached=False)])
@pytest.mark.parametrize("required", [True, False])
def test_without_advisories_nothing_is_said_to_be_well(
    silent: object, required: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(silent, LOCKS, required=required) == int(required)  # type: ignore[arg-type]
    assert "NOT audited" in capsys.readouterr().out


def test_what_has_no_holes_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(service(ours=Found(30, (), ())), LOCKS, required=True) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("30 packages, 0 known holes (osv)") == len(LOCKS)


@pytest.mark.parametrize("ours", [Found(30, ("flask 1.0: X-2, mended in 3",), ()), Found(30, (), ("flask",)), None])
def test_holes_unknown_packages_and_a_service_that_goes_away_fail(
    ours: Found | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(service(ours=ours), LOCKS, required=False) == 1  # type: ignore[arg-type]
    assert capsys.readouterr().out


def test_what_pip_audit_writes_is_read() -> None:
    answer = {
        "dependencies": [
            {"name": "flask", "version": "0.5", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0", "0.12.3"]}]},
            {"name": "redis", "version": "8.1.0", "vulns": []},
            {"name": "jinja2", "skip_reason": "not found"},
        ]
    }
    assert read(answer) == Found(3, ("flask 0.5: PYSEC-1, mended in 1.0, 0.12.3",), ("jinja2",))
