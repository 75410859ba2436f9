"""The service's state as Prometheus gauges, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.api.job_gauges import job_metrics
from service.api.sweep_gauges import sweep_metrics
from service.domain.model import MAX_CAPACITY, Priority
from service.usecases.figures import State
from service.usecases.ports.dispatch import DispatchDay
from service.usecases.ports.figures import CheckedInvariant, MailFigures, ReconciliationFigures
from service.usecases.ports.operations import LoadStep
from service.usecases.ports.reconcile import Drift, RunStatus
from service.usecases.ports.webhooks import WebhookFigures
from service.usecases.queue_stats import QueueState


class StateCollector(Collector):
    """Turn what `read` returns into gauges; what cannot be read is left out, and `fairdeal_up` says so."""

    def __init__(self, read: Callable[[], State]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Read the state and name its figures."""
        state = self._read()
        queue_is_up = state.queue is not None and state.queue.trusted is not None
        parts = {"postgresql": state.queue is not None, "redis": queue_is_up}
        yield _by("up", "1 when the part answers", "part", parts)
        if state.queue is not None:
            yield from _queue(state.queue)
            yield from _waits(state.queue, state.assign_s)
        if state.inversions is not None:
            yield _one("inversions", "Tickets dealt before an older one of the same queue", state.inversions)
        if state.reconciliations is not None:
            yield from _reconciliations(state.reconciliations)
        if state.mails is not None:
            yield from _mails(state.mails)
        if state.webhooks is not None:
            yield from _webhooks(state.webhooks)
        if state.dispatch is not None:
            yield from _dispatch(state.dispatch)
        if state.loads is not None:
            yield from _hands(state.loads)
        if state.is_clock_kept is not None:
            yield _one("clock_kept", "1 while a process keeps the clock", state.is_clock_kept)
        if state.sweeps is not None:
            yield from sweep_metrics(state.sweeps)
        yield from job_metrics(state.jobs, state.job_counts)
        yield from _invariants(state.invariants)


def _invariants(checked: Sequence[CheckedInvariant]) -> Iterator[Metric]:
    if not checked:
        return
    violations = {one.code: one.violations for one in checked}
    yield _by("invariant_violations", "Violations the last check found", "invariant", violations)
    holding = {one.code: one.ok for one in checked if one.ok is not None}
    yield _by("invariant_holds", "1 when the last check found it to hold", "invariant", holding)
    yield _one("invariants_check_age_seconds", "Age of the last check", max(one.age_s for one in checked))


def _hands(loads: Sequence[LoadStep]) -> Iterator[Metric]:
    """Show every size of hand, nobody's too: a line that vanishes is no zero."""
    family = GaugeMetricFamily(
        "fairdeal_agents", "Active agents by the tickets they hold", labels=["held", "availability"]
    )
    steps = {step.held: step for step in loads}
    for held in range(MAX_CAPACITY + 1):
        step = steps.get(held, LoadStep(held=held, available=0, away=0))
        family.add_metric([str(held), "available"], step.available)
        family.add_metric([str(held), "away"], step.away)
    yield family
    held_in_all = sum(step.held * (step.available + step.away) for step in loads)
    yield _one("held_tickets", "Tickets in the hands of active agents", held_in_all)


def _queue(state: QueueState) -> Iterator[Metric]:
    yield _by("open_tickets", "Open tickets in PostgreSQL", "priority", state.open)
    if state.queued is not None:
        yield _by("queue_depth", "Ids in the queue", "priority", state.queued)
    if state.trusted is not None:
        yield _one("queue_trusted", "1 while the queue is trusted, 0 after a flush", state.trusted)
    if state.open_claims is not None:
        yield _one("claims_in_flight", "Claims not settled yet", state.open_claims)


def _waits(state: QueueState, assign_s: Mapping[Priority, int]) -> Iterator[Metric]:
    waited_s = {priority: state.waited_s.get(priority, 0.0) for priority in Priority}
    late = {priority: waited_s[priority] > assign_s[priority] for priority in Priority}
    about = "How long the oldest open ticket has waited since it was created or came back; 0 when there is none"
    yield _by("oldest_open_seconds", about, "priority", waited_s)
    yield _by("assign_target_seconds", "How long an open ticket may wait (ASSIGN_MINUTES)", "priority", assign_s)
    yield _by("oldest_open_overdue", "1 while the oldest open ticket waits longer than that", "priority", late)


def _reconciliations(figures: ReconciliationFigures) -> Iterator[Metric]:
    found, repaired = (
        {kind.value: counts.get(kind, 0) for kind in Drift} for counts in (figures.found, figures.repaired)
    )
    yield _by("drift_found_last_day", "Differences found between queue and PostgreSQL", "kind", found)
    yield _by("drift_repaired_last_day", "Differences repaired", "kind", repaired)
    yield _counter("drift_found", "Differences found between queue and PostgreSQL", figures.found_ever)
    yield _counter("drift_repaired", "Differences repaired", figures.repaired_ever)
    runs = {status.value: figures.runs.get(status, 0) for status in RunStatus}
    yield _by("reconciliations_last_day", "Runs of the reconciler", "status", runs)
    if figures.last_done_s is not None:
        yield _one("reconciliation_age_seconds", "Age of the last run that was done", figures.last_done_s)


def _mails(figures: MailFigures) -> Iterator[Metric]:
    yield _by("mails", "Mails by state; of those sent, the last day's", "state", figures.states)
    yield _one(
        "oldest_unsent_mail_seconds", "Age of the oldest mail that waits or is being sent", figures.oldest_unsent_s
    )


def _webhooks(figures: WebhookFigures) -> Iterator[Metric]:
    states = {"pending": figures.pending, "failed": figures.failed, "delivered": figures.delivered}
    yield _by(
        "webhook_deliveries", "Deliveries waiting, given up and kept, delivered by today's webhooks", "state", states
    )
    waited = figures.oldest_pending_s or 0.0
    yield _one("webhook_oldest_pending_seconds", "Age of the oldest delivery that an active webhook waits for", waited)
    yield _one("webhooks_disabled", "Webhooks that the service has switched off", figures.disabled)


def _dispatch(day: DispatchDay) -> Iterator[Metric]:
    yield _one("dispatched_last_day", "Tickets given to agents unasked", day.dispatched)
    yield _one("dispatch_runs_last_day", "Runs of dispatch that gave something, or were refused it", day.runs)
    yield _one("dispatch_rounds_last_day", "Rounds of these runs", day.rounds)
    yield _one("dispatch_refused_last_day", "Shares not given, the agent having gone away meanwhile", day.refused)
    if day.mean_wait_s is not None:
        waits = {"mean": day.mean_wait_s, "longest": day.waits.longest_ms / 1_000}
        yield _by("dispatch_wait_seconds_last_day", "From a ticket's opening until it was given", "which", waits)


def _counter(name: str, about: str, totals: Mapping[str, int]) -> Metric:
    """Show every kind of drift, those that have not been seen too: a rate needs a zero to rise from."""
    family = CounterMetricFamily(f"fairdeal_{name}", about, labels=["kind"])
    for kind in Drift:
        family.add_metric([kind.value], totals.get(kind.value, 0))
    return family


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fairdeal_{name}", about, value=float(value))


def _by(name: str, about: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"fairdeal_{name}", about, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family
