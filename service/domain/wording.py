"""Words that several parts say to a person."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Word a duration roughly: 45 s, 12 min, 3 h, 2 d."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
