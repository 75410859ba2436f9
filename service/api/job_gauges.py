"""The background jobs as Prometheus metrics: their queues, their workers, and what they came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from service.usecases.ports.figures import JobCount
from service.usecases.ports.operations import JobsState


def job_metrics(state: JobsState | None, counts: Sequence[JobCount] | None) -> Iterator[Metric]:
    """Show the jobs; what could not be read is left out."""
    if state is not None:
        yield from _lanes(state)
    if counts is not None:
        yield from _counts(counts)


def _lanes(state: JobsState) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("fairdeal_jobs", "Background jobs in RQ, by queue and state", labels=["lane", "state"])
    workers = GaugeMetricFamily("fairdeal_workers", "Workers that serve an RQ queue", labels=["lane"])
    silence = GaugeMetricFamily(
        "fairdeal_worker_silence_seconds", "Since any worker of a queue was last heard of", labels=["lane"]
    )
    now = datetime.now(UTC)
    for lane in state.lanes:
        for name, count in (("waiting", lane.waiting), ("running", lane.running), ("failed", lane.failed)):
            jobs.add_metric([lane.lane, name], count)
        heard = [one.heard_at for one in state.workers if one.lane == lane.lane and one.heard_at is not None]
        workers.add_metric([lane.lane], sum(one.lane == lane.lane for one in state.workers))
        if heard:
            silence.add_metric([lane.lane], max(0.0, (now - max(heard)).total_seconds()))
    waited = GaugeMetricFamily(
        "fairdeal_job_oldest_waiting_seconds",
        "Since the next job of a queue was enqueued; 0 when none",
        labels=["lane"],
    )
    for lane in state.lanes:
        waited.add_metric([lane.lane], lane.oldest_waiting_s)
    yield from (jobs, workers, silence, waited)


def _counts(counts: Sequence[JobCount]) -> Iterator[Metric]:
    ended = CounterMetricFamily("fairdeal_jobs_ended", "Background jobs that ended", labels=["job", "outcome"])
    took = SummaryMetricFamily("fairdeal_job_seconds", "Time background jobs took", labels=["job"])
    waited = SummaryMetricFamily("fairdeal_job_wait_seconds", "Time they had waited before", labels=["job"])
    for one in counts:
        ended.add_metric([one.name, "done"], one.done)
        ended.add_metric([one.name, "failed"], one.failed)
        took.add_metric([one.name], count_value=one.done + one.failed, sum_value=one.seconds)
        waited.add_metric([one.name], count_value=one.done + one.failed, sum_value=one.waited_s)
    yield from (ended, took, waited)
