"""What the clock has done now and then."""

from __future__ import annotations

from service.config import Settings
from service.usecases import away, hold_limit, throttle, webhook_sending


def chores(settings: Settings) -> dict[str, float]:
    """List what is to be done now and then, with the pause in between, seconds: what is switched off is not."""
    found: dict[str, float] = {
        webhook_sending.TIDY_JOB: webhook_sending.TIDY_EVERY_S,
        throttle.JOB: throttle.EVERY_S,
    }
    if settings.away_grace_s:
        found[away.JOB] = away.pause_s(settings.away_grace_s)
    if settings.hold_limit_s:
        found[hold_limit.JOB] = hold_limit.pause_s(settings.hold_limit.warning_s)
    return found
