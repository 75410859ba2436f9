"""The whole service goes by way of PgBouncer in transaction mode, which dies and comes back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import pgbouncer
from tests.faults.load import Load
from tests.faults.stand import Stand
from tests.faults.template import DATABASE, Template
from tests.faults.unclean import check_clean
from tests.faults.verdict import judge

OpenStand = Callable[..., Stand]


@pytest.mark.faults
@pytest.mark.skipif(pgbouncer.BINARY is None, reason="no PgBouncer is installed")
def test_the_pooler_may_be_killed(open_stand: OpenStand, tmp_path: Path, template: Template, reconciling: bool) -> None:
    poolers: list[pgbouncer.PgBouncer] = []
    with ExitStack() as stack:

        def by_pooler(port: int) -> int:
            pooler = pgbouncer.PgBouncer(tmp_path, target=port, user=DATABASE, password=template.database_password)
            poolers.append(stack.enter_context(pooler))
            return pooler.port

        stand = open_stand(database_via=by_pooler, reconciling=reconciling, DATABASE_POOLER="transaction")
        stand.make_tickets(80)
        with Load(stand, agents=8, creators=2, admins=1, seed=53) as load:
            load.acknowledge(60)
            with load.fault():
                poolers[0].kill()
                load.pass_by(30)
                poolers[0].start()
                load.acknowledge(40)
            load.acknowledge(60)
        verdict = judge(
            stand, load, "pooler-killed", what="kill -9 of PgBouncer (transaction mode) under load, then a start"
        )
        check_clean(stand, load)
        assert verdict.holds, verdict.problems
