"""`fairdeal doctor`: whether everything the service stands on is as it should be."""

from __future__ import annotations

from collections.abc import Sequence

import click

from service.cli.printing import examples, json_option, print_json
from service.cli.setup import Setup, pass_setup
from service.usecases.doctor_checks import Finding, Level

MARKS = {Level.OK: "ok", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


@click.command(epilog=examples("fairdeal doctor", "fairdeal doctor --strict --json"))
@click.option("--strict", is_flag=True, help="Fail for warnings too.")
@json_option
@pass_setup
def doctor(setup: Setup, *, strict: bool, as_json: bool) -> None:
    """Look at settings, versions, clocks, disk, servers, schema and workers, and say what to mend.

    Changes nothing. Exit status 1 when there is an error, with --strict for a warning too.
    """
    from service.usecases.doctor import Verdict, verdict
    from service.wiring.doctor import doctor as wired

    with wired(setup.settings) as made:
        findings = made.examine()
    found = verdict(findings)
    if as_json:
        print_json({"verdict": found, "findings": findings})
    else:
        _print(findings)
        click.echo(f"\n{_summary(findings)}")
    if found is Verdict.ILL or (strict and found is Verdict.WARNED):
        raise click.exceptions.Exit(1)


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        click.echo(f"{MARKS[finding.level]:<8} {finding.about:<12} {finding.says}")
        if finding.mend:
            click.echo(f"{'':<21} mend: {finding.mend}")


def _summary(findings: Sequence[Finding]) -> str:
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    return f"{errors} to mend, {warnings} to think about" if errors or warnings else "all is well"
