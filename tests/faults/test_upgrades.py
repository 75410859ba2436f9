"""Restarts and upgrades while people work: behind a balancer, nobody is refused anything."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.ports import free_port
from scripts.waiting import wait_until
from service.store import migrate
from tests.faults.balanced import BalancedClient, Rotation, is_ready
from tests.faults.earlier import Earlier, NoEarlierCodeError, earlier_code
from tests.faults.load import Agent, Creator, Load
from tests.faults.parts import ROOT, Part
from tests.faults.stand import Stand
from tests.faults.template import shared_template
from tests.faults.verdict import judge

pytestmark = [pytest.mark.faults, pytest.mark.timeout(420)]

TIMEOUT_S = 40.0
READY_S = 90.0
BETWEEN = 60
"""Operations that are acknowledged between two steps."""


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    try:
        return earlier_code(tmp_path / "earlier")
    except NoEarlierCodeError as exc:
        pytest.skip(f"no earlier code to upgrade from: {exc}")


def _load(stand: Stand, rotation: Rotation, seed: int) -> Load:
    load = Load(stand, agents=0, creators=0, seed=seed, seconds=300, operations=100_000)
    for person in stand.people.agents[:6]:
        load.add(Agent(BalancedClient(rotation, person, load.history, timeout_s=TIMEOUT_S)))
    for number in range(2):
        admin = stand.people.admin
        load.add(Creator(BalancedClient(rotation, admin, load.history, timeout_s=TIMEOUT_S), number))
    return load


def _replace(old: Part, new: Part, rotation: Rotation) -> None:
    """Take a web server out, end it, start the other on its port, and put that in when it is ready."""
    rotation.take_out(old.port)
    assert old.stop(signal.SIGTERM) == 0
    new.start()
    assert wait_until(lambda: is_ready(new.port), READY_S), f"{new.name} does not become ready"
    rotation.put_in(new.port)


def _check_nobody_was_refused(load: Load) -> None:
    failed = {(op.kind, op.status, op.code) for op in load.history.ended() if op.outcome == "unknown" or not op.status}
    assert failed == set()


def test_no_request_is_refused_while_web_servers_are_restarted_in_turn(open_stand: Callable[..., Stand]) -> None:
    stand = open_stand()
    stand.make_tickets(200)
    other = stand.describe_web("web-2", free_port(avoid=frozenset({stand.web_port})))
    other.start()
    rotation = Rotation(stand.web.port, other.port)
    with _load(stand, rotation, seed=61) as load:
        load.acknowledge(BETWEEN)
        with load.fault():
            for web in (stand.web, other, stand.web):
                _replace(web, web, rotation)
                load.acknowledge(BETWEEN)
    _check_nobody_was_refused(load)
    verdict = judge(
        stand, load, "web-servers-restarted-in-turn",
        what="two web servers behind a balancer restarted one after the other",
    )  # fmt: skip
    assert verdict.holds, verdict.problems


def test_an_upgrade_under_load_refuses_nobody(
    open_stand: Callable[..., Stand], tmp_path: Path, earlier: Earlier
) -> None:
    """Old code serves on the new schema, beside new code. The opposite is not promised."""
    before = shared_template(tmp_path / "before", earlier.revision)
    old = dict.fromkeys(("web", "web-2", "worker", "messenger", "clock"), earlier.root)
    stand = open_stand(start_from=before, code=old)
    assert _schema(stand) == earlier.revision
    stand.make_tickets(200)
    other = stand.describe_web("web-2", free_port(avoid=frozenset({stand.web_port})))
    other.start()
    messenger = stand.describe_background("messenger", "messenger")
    messenger.start()
    stand.sql("UPDATE users SET email = username || '@example.com'")
    assert {Path(f"/proc/{web.pid}/cwd").readlink() for web in (stand.web, other, messenger)} == {earlier.root}
    rotation = Rotation(stand.web.port, other.port)
    with _load(stand, rotation, seed=62) as load:
        load.acknowledge(BETWEEN)
        with load.fault():
            _migrate(stand)
            assert is_ready(stand.web.port), "old code finds fault with the new schema"
            load.acknowledge(BETWEEN)
            _replace(stand.web, stand.describe_web("new-1", stand.web.port), rotation)
            load.acknowledge(BETWEEN)  # old and new side by side
            _replace_in_the_background(stand, messenger)
            load.acknowledge(BETWEEN)
            _replace(other, stand.describe_web("new-2", other.port), rotation)
        load.acknowledge(BETWEEN)
    _check_nobody_was_refused(load)
    verdict = judge(
        stand, load, "upgraded-under-load",
        what="the schema migrated and every process replaced by its successor under traffic, old and new side by side",
    )  # fmt: skip
    assert verdict.holds, verdict.problems
    _check_every_mail_was_sent_once(stand)


def _check_every_mail_was_sent_once(stand: Stand) -> None:
    """Old and new messengers share the mails; whoever was told to end finished what it had begun."""
    unsent = "SELECT count(*) FROM mails WHERE state IN ('waiting', 'sending')"
    assert wait_until(lambda: stand.sql(unsent)[0].count == 0, 90), stand.sql(
        "SELECT state, count(*) FROM mails GROUP BY 1"
    )
    mails = stand.sql("SELECT state, message_id FROM mails")
    assert mails
    assert {row.state for row in mails} == {"sent"}
    letters = [path.read_text() for path in (stand.directory / "var" / "outbox").rglob("*.eml")]
    sent = Counter(
        found[1] for letter in letters for found in re.finditer(r"(?mi)^Message-ID: <([0-9a-f-]{36})", letter)
    )
    assert sent == Counter(str(row.message_id) for row in mails)


def _schema(stand: Stand) -> str:
    (row,) = stand.sql("SELECT version_num FROM alembic_version")
    return str(row.version_num)


def _migrate(stand: Stand) -> None:
    """Do what the migrate service of each way to deploy does, by the present code."""
    environ = {**stand.web.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "service", "db", "upgrade"],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert _schema(stand) == migrate.head()


def _replace_in_the_background(stand: Stand, messenger: Part) -> None:
    """Start the new ones before the old ones end: two of each are safe."""
    for what, old in (("worker", stand.worker), ("messenger", messenger), ("clock", stand.clock)):
        stand.describe_background(f"new-{what}", what).start()
        assert old.stop(signal.SIGTERM) == 0
