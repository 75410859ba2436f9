"""How long to wait before something is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.domain.backoff import pause_s


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_s(n, first_s=10, longest_s=60, chance=1) for n in (1, 2, 3, 4, 5, 999)] == [10, 20, 40, 60, 60, 60]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_chance_takes_away_half_at_the_most(tries: int, chance: float) -> None:
    full = pause_s(tries, first_s=15, longest_s=3_600, chance=1)
    assert full / 2 <= pause_s(tries, first_s=15, longest_s=3_600, chance=chance) <= full
