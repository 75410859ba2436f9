"""Hypothesis drives the real service on real PostgreSQL and Valkey, against a small model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from redis import Redis
from sqlalchemy import Engine

from service.ticket_queue.keys import Keys
from tests.property.drift import Drifting
from tests.property.operations import Operations
from tests.property.world import World

RANDOM_EXAMPLES = "FAIRDEAL_RANDOM_EXAMPLES"
"""Set to a number to have that many stories, new ones each time, instead of always the same."""


@pytest.fixture
def world(engine: Engine, redis_client: Redis, redis_url: str, keys: Keys) -> Iterator[World]:
    made = World(engine, redis_url, keys)
    yield made
    made.close()


@dataclass(frozen=True)
class Effort:
    """How many stories are told, and how long each is."""

    examples: int
    steps: int


def drive(machine: type[RuleBasedStateMachine], world: World, effort: Effort) -> None:
    """Tell stories, and shrink one that ends badly. The same ones each time, unless others are asked for."""
    asked = os.environ.get(RANDOM_EXAMPLES)
    bound = type(machine.__name__, (machine,), {"world": world})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=int(asked) if asked else effort.examples,
            stateful_step_count=effort.steps,
            derandomize=not asked,
            database=None,
            report_multiple_bugs=False,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        ),
    )


@pytest.mark.timeout(3_600)
def test_without_faults_everything_is_exact_after_every_step(world: World) -> None:
    drive(Operations, world, Effort(examples=25, steps=40))


@pytest.mark.timeout(3_600)
def test_with_faults_postgresql_is_exact_and_the_reconciler_brings_the_queue_in_line(world: World) -> None:
    drive(Drifting, world, Effort(examples=30, steps=45))


@pytest.mark.faults
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("machine", [Operations, Drifting])
def test_long_stories_and_many(world: World, machine: type[Operations]) -> None:
    drive(machine, world, Effort(examples=250, steps=70))
