"""`./scripts/bench`: the command."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from types import FrameType

import click

from scripts.benchmark.measurement import Measurement, estimate_s
from scripts.benchmark.plan import Plan, quick
from scripts.benchmark.scenarios import SCENARIOS
from scripts.benchmark.sites import chosen_settings
from scripts.benchmark.variants import VARIANTS
from scripts.stop_request import StopRequest, StopRequestedError

_FILES = 20_000
_STOPPED, _FAILED = 130, 1

_ABOUT = """Measure the service on servers of its own, which write to disk as those of `./scripts/run` do.

Ends with a table, the goals, and a JSON file under var/bench/. Settings of the service are taken from the environment,
but for those that say where it runs. Exit status 1 when an invariant does not hold after a scenario.
"""


@click.command(help=_ABOUT)
@click.option("--quick", "is_quick", is_flag=True, help="Small and rough: about a minute.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only this; may be given several times."
)
@click.option(
    "--compare", multiple=True, type=click.Choice(list(VARIANTS)), help="Only the service against this variant."
)
@click.option("--list", "is_list", is_flag=True, help="Name what is measured and compared, and do nothing.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20), help="Rounds; medians are shown.")
@click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1, 60), help="Length of a round.")
def main(  # noqa: D103 - the text above
    *, is_quick: bool, only: tuple[str, ...], compare: tuple[str, ...], is_list: bool, rounds: int, seconds: float
) -> None:
    if is_list:
        click.echo("\n".join([*SCENARIOS, *(f"--compare {name}: {each.about}" for name, each in VARIANTS.items())]))
        return
    plan = Plan(rounds=rounds, seconds=seconds)
    plan = quick(plan) if is_quick else plan
    names = [name for name in SCENARIOS if name in only or not (only or compare)]
    sys.exit(_measure(Measurement(plan, names, compare, chosen_settings(os.environ), is_quick=is_quick)))


def _measure(measurement: Measurement) -> int:
    logging.disable(logging.WARNING)
    _listen(measurement.stop)
    _raise_file_limit()
    measurement.say(f"this takes about {estimate_s(measurement) / 60:.0f} min")
    try:
        return 0 if measurement.run() else _FAILED
    except StopRequestedError:
        measurement.tell("stopped")
        return _STOPPED


def _listen(request: StopRequest) -> None:
    """Have a signal end what is under way by an exception, once: stopping must not be stopped.

    Where Python lets no exception through (at a fork, in a finaliser), the note that is left ends it soon after.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        request.requested = True
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
