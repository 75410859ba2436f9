"""How long to wait before something is tried again."""

from __future__ import annotations


def pause_s(tries: int, *, first_s: float, longest_s: float, chance: float) -> float:
    """Double the pause with each of the `tries` that failed, up to the longest, and spread it by `chance` (0 to 1).

    A pause is between half of the full one and all of it, so that what failed together does not come back together
    (the "equal jitter" of Amazon's Builders' Library).
    """
    full = min(longest_s, first_s * 2.0 ** min(tries - 1, 60))
    return full * (0.5 + chance / 2)
