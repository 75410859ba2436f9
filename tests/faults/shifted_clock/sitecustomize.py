"""Move this process's clock by CLOCK_SHIFT_S seconds, before anything else is imported; without it, change nothing.

Python imports a module of this name at its start when it is on the path. The monotonic clock, by which timeouts are
measured, stays as it is, as it does on a machine whose clock is wrong.
"""

from __future__ import annotations

import datetime
import os
import time


def _shift(seconds: float) -> None:
    real_time, real_time_ns, real = time.time, time.time_ns, datetime.datetime
    shift = datetime.timedelta(seconds=seconds)

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real)

    class Shifted(real, metaclass=Meta):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return real.now(tz) + shift

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return real.now(datetime.UTC).replace(tzinfo=None) + shift

    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + int(seconds * 1_000_000_000)
    datetime.datetime = Shifted  # type: ignore[misc]


if float(os.environ.get("CLOCK_SHIFT_S") or 0):
    _shift(float(os.environ["CLOCK_SHIFT_S"]))
