"""What the sweeps have come to, as Prometheus gauges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from service.usecases.ports.archive import PURGED, TICKETS, SweepState


def sweep_metrics(states: Sequence[SweepState]) -> Iterator[Metric]:
    """Show how far archiving has come; nothing done is a zero, and no last time is no figure."""
    by_name = {state.what: state for state in states}
    archive, purged = by_name.get(TICKETS), by_name.get(PURGED)
    yield _one("archived_tickets", "Tickets moved to the archive so far", archive.done if archive else 0)
    yield _one("archive_removed_tickets", "Archived tickets removed for ever so far", purged.done if purged else 0)
    yield _one(
        "archivable_tickets", "Tickets that waited for the archive at the last look", archive.waiting if archive else 0
    )
    behind_s = (archive.behind_s if archive else None) or 0.0
    yield _one("archive_behind_seconds", "How long the first of them has been due", max(0.0, behind_s))
    if archive is not None and archive.ended_s is not None:
        yield _one("archive_age_seconds", "Age of the last look for what is to be archived", archive.ended_s)


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fairdeal_{name}", about, value=float(value))
