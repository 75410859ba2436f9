"""How much is measured: rounds, lengths and sizes."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = (32, 256, 1_000)
SWEEP = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One measurement. `seconds` is how long a round of a load lasts at least, `large` what counts as many tickets.

    `import_rows` are so many that a command's start, some 0.7 s, is a small part of an import.
    """

    rounds: int = 3
    seconds: float = 3.0
    levels: tuple[int, ...] = LEVELS
    seats: int = 2_000
    agents: int = 8_000
    sweep: tuple[int, ...] = SWEEP
    sweep_batches: int = 16
    large: int = 1_000_000
    import_rows: int = 400_000


def quick(plan: Plan) -> Plan:
    """Make it small, to see that everything works: the figures are rough."""
    return Plan(
        rounds=min(plan.rounds, 1), seconds=min(plan.seconds, 0.5), levels=(32, 256), seats=300, agents=1_024,
        sweep=(1_000, 10_000), sweep_batches=3, large=20_000, import_rows=20_000,
    )  # fmt: skip
