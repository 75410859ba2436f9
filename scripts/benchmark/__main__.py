"""`./scripts/bench`: the command."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from scripts.benchmark import machine
from scripts.benchmark.figures import Row, as_json
from scripts.benchmark.parts import ROOT
from scripts.benchmark.plan import Plan, quick
from scripts.benchmark.report import table
from scripts.benchmark.scenarios import SCENARIOS
from scripts.benchmark.sites import chosen_settings
from scripts.benchmark.stage import Stage
from scripts.benchmark.verdict import PromiseBrokenError, verify
from scripts.stop_request import StopRequestedError

OUTPUT = ROOT / "var" / "bench"
_FILES = 20_000


@click.command(help="Measure the service on servers of its own: durable, as `./scripts/run` has them.")
@click.option("--quick", "is_quick", is_flag=True, help="Small and rough: under a minute.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only this; may be given several times."
)
@click.option("--list", "is_list", is_flag=True, help="Name what is measured, and do nothing.")
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1, 20), help="Rounds, of which medians are taken."
)
@click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1, 60), help="Length of a round.")
def main(*, is_quick: bool, only: tuple[str, ...], is_list: bool, rounds: int, seconds: float) -> None:  # noqa: D103
    if is_list:
        click.echo("\n".join(SCENARIOS))
        return
    plan = Plan(rounds=rounds, seconds=seconds)
    sys.exit(measure(quick(plan) if is_quick else plan, [name for name in SCENARIOS if name in only or not only]))


def measure(plan: Plan, names: list[str]) -> int:
    """Run scenarios, show the figures and write them down; return the exit status."""
    logging.disable(logging.WARNING)
    _listen()
    _raise_file_limit()
    began, rows, verdicts = time.monotonic(), list[Row](), dict[str, object]()
    say = _teller(began)
    try:
        with Stage(plan, place=OUTPUT, chosen=chosen_settings(os.environ), say=say) as stage:
            for name in names:
                say(f"{name}:")
                rows += SCENARIOS[name].run(stage)
                verdicts[name] = {site.name: verify(site, name) for site in SCENARIOS[name].sites(stage)}
                say("  every invariant holds")
            described = machine.describe(stage)
    except StopRequestedError:
        say("stopped")
        return 130
    except PromiseBrokenError as exc:
        say(f"NOT TRUSTWORTHY: {exc}")
        return 1
    print("\n".join(["", *table(rows)]))
    say(f"written to {_write(rows, verdicts, described, time.monotonic() - began)}")
    return 0


def _write(rows: list[Row], verdicts: dict[str, object], described: dict[str, object], took_s: float) -> Path:
    at = datetime.now(UTC)
    found = {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "took_s": round(took_s), "machine": described}
    path = OUTPUT / f"{at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({**found, "rows": [as_json(row) for row in rows], "invariants": verdicts}, indent=1))
    return path.relative_to(ROOT)


def _teller(began: float) -> Callable[[str], None]:
    return lambda words: print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)


def _listen() -> None:
    """Have a signal end what is under way by an exception, once: stopping must not be stopped."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise StopRequestedError

    for number in numbers:
        signal.signal(number, stop)


def _raise_file_limit() -> None:
    """Allow a thousand connections on either side, here and in what we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
