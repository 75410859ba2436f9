"""`python -m workers worker`, `messenger` and `clock`: all settings come from the environment."""

from __future__ import annotations

import threading

import click

from service.bootstrap import build_container
from service.config import ConfigurationError, Settings, load
from service.job_queue import Lane
from service.observability import configure_logging
from workers.clock import run_clock, stop_on_signals
from workers.pulse import Pulse
from workers.worker import run_worker


@click.group(help="Run a background process of Fairdeal.")
def main() -> None:
    """Dispatch."""


@main.command(help="Do the jobs, one at a time, until SIGTERM.")
def worker() -> None:
    """Run the worker."""
    import workers.jobs  # noqa: F401 - loaded before the fork, or every job would load it again

    run_worker(_settings())


@main.command(help="Do the jobs that talk to other servers, one at a time, until SIGTERM.")
def messenger() -> None:
    """Run the worker that sends messages: what it waits for holds nothing else up."""
    import workers.jobs  # noqa: F401 - as above

    run_worker(_settings(), Lane.MESSAGES)


@main.command(help="Enqueue what is due, until SIGTERM. A second clock waits in reserve.")
def clock() -> None:
    """Run the clock."""
    stop = threading.Event()
    stop_on_signals(stop)
    settings = _settings()
    container = build_container(settings, "clock")
    try:
        run_clock(container.schedule, stop, Pulse(settings.var_dir, "clock").beat)
    finally:
        container.close()


def _settings() -> Settings:
    try:
        settings = load()
    except ConfigurationError as exc:
        raise click.ClickException(str(exc)) from exc
    configure_logging(level=settings.log_level, shape=settings.log_format)
    return settings


if __name__ == "__main__":
    main()
