"""PostgreSQL's disk is full: what cannot be written is a clean 503, and nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.waiting import wait_until
from tests.faults.limited_postgres import PostgresThatMayFillUp, full_disk
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.unclean import check_clean, refused
from tests.faults.verdict import judge

OpenStand = Callable[..., Stand]

SEEDED = 12_000
"""So many tickets that their history is larger than a segment of the log."""

BLOCK_BYTES = 8_192


def _verdict(stand: Stand, load: Load, scenario: str, what: str) -> None:
    assert refused(load) > 0, "nobody noticed"
    verdict = judge(stand, load, scenario, what=what)
    check_clean(stand, load)
    assert verdict.holds, verdict.problems


@pytest.mark.faults
def test_no_table_may_grow_for_a_while(open_stand: OpenStand, reconciling: bool) -> None:
    """Every operation adds to the history, which has no room left; what changes rows in place might go on."""
    stand = open_stand(durable=True, reconciling=reconciling, postgres_kind=PostgresThatMayFillUp)
    stand.make_tickets(SEEDED, "low")
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=28) as load:
        load.acknowledge(40)
        with load.fault():
            size = int(stand.sql("SELECT pg_relation_size('ticket_events') AS size")[0].size)
            with full_disk(stand.postgres, size):
                load.pass_by(100)
            load.acknowledge(40)
        load.acknowledge(40)
    _verdict(
        stand,
        load,
        "postgresql-tables-cannot-grow",
        "no table of PostgreSQL can grow, as on a full disk, and then all can",
    )


@pytest.mark.faults
def test_the_log_of_postgresql_may_find_no_room(open_stand: OpenStand, reconciling: bool) -> None:
    """PostgreSQL then ends itself and cannot start, until somebody has made room."""
    stand = open_stand(durable=True, reconciling=reconciling, postgres_kind=PostgresThatMayFillUp)
    stand.make_tickets(80)
    with Load(stand, agents=6, creators=2, admins=1, seed=29) as load:
        load.acknowledge(40)
        with load.fault():
            with full_disk(stand.postgres, BLOCK_BYTES):
                assert wait_until(lambda: not stand.postgres.is_running, 30), "it found room after all"
                load.pass_by(40)
            stand.postgres.start()
            load.acknowledge(40)
        load.acknowledge(40)
    _verdict(
        stand, load, "postgresql-log-full", "no room for PostgreSQL's log, at which it ends; room made, and a start"
    )
