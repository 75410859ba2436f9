"""`fairdeal doctor` asks Sentinels and Clusters themselves: real ones, some of whose servers are ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.waiting import wait_until
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings
from service.domain.errors import QueueUnavailable
from service.ticket_queue.group_look import RedisGroupLook
from service.usecases import doctor_groups as groups
from service.usecases.doctor_checks import Finding, Level
from service.usecases.ports.doctor import ClusterFacts, SentinelFacts
from tests.redis_nodes import cluster, watched

PATIENCE_S = 60.0


def looked(url: str) -> list[Finding]:
    facts = RedisGroupLook(url, timeout_ms=5_000).look()
    if isinstance(facts, SentinelFacts):
        return list(groups.sentinels(facts))
    assert isinstance(facts, ClusterFacts)
    return list(groups.cluster(facts))


def worst(findings: Iterable[Finding], level: Level) -> list[str]:
    return [finding.says for finding in findings if finding.level is level and finding.mend]


def await_finding(url: str, level: Level, words: str) -> None:
    """Servers notice after a second or so that others are away."""

    def is_found() -> bool:
        return any(words in says for says in worst(looked(url), level))

    assert wait_until(is_found, PATIENCE_S, pause_s=0.2), looked(url)


@pytest.fixture
def doctor(settings: Settings) -> Callable[[str], str]:
    """Run the command, with the queue at some address."""

    def run(url: str) -> str:
        environ = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": url,
            "JOBS_REDIS_URL": settings.redis_url,
            "JWT_SECRET_KEY": "kX93hf-Qm72lpWz_04bTsYvR8uNcDjEa",
            "REDIS_TIMEOUT_MS": "5000",
        }
        return CliRunner().invoke(cli, ["doctor"], obj=Setup(environ)).stdout

    return run


def test_sentinels_are_asked(tmp_path: Path, doctor: Callable[[str], str]) -> None:
    with watched(tmp_path) as nodes:
        [well] = looked(nodes.url)
        master = f"127.0.0.1:{nodes.master.port}"
        assert (well.level, well.says) == (Level.OK, f"3 of 3 Sentinels answer; master: {master}, replicas: 1")
        assert well.says in doctor(nodes.url)

        other = nodes.url.replace("/fairdeal/0", "/nobody/0")
        assert worst(looked(other), Level.ERROR) == ["No Sentinel watches a master called nobody"]

        nodes.sentinels[0].kill()
        assert "Sentinels are silent" in worst(looked(nodes.url), Level.WARNING)[0]
        nodes.replica.kill()
        await_finding(nodes.url, Level.WARNING, "No replica could take the master's place")
        nodes.sentinels[1].kill()
        await_finding(nodes.url, Level.ERROR, "could not have the master replaced: NOQUORUM")
        nodes.master.kill()
        await_finding(nodes.url, Level.ERROR, f"The master they name does not answer this host: {master}")
        nodes.sentinels[2].kill()
        with pytest.raises(QueueUnavailable, match="None of the Sentinels answers"):
            looked(nodes.url)
        assert "mend: Start them, or mend REDIS_URL" in doctor(nodes.url)


def test_a_cluster_is_asked(tmp_path: Path, doctor: Callable[[str], str]) -> None:
    with cluster(tmp_path, "{fairdeal}:generation", replicated=True) as nodes:
        found = looked(nodes.url)
        bare = sorted(f"127.0.0.1:{node.port}" for node in nodes.nodes[:3] if node is not nodes.owner)
        assert worst(found, Level.ERROR) == []
        assert worst(found, Level.WARNING) == [f"Nobody could take the place of {', '.join(bare)}"]
        assert found[-1].says == "3 nodes serve 16,384 slots; replicas: 1"
        assert found[-1].says in doctor(nodes.url)

        nodes.nodes[3].kill()
        await_finding(nodes.url, Level.WARNING, f"Nodes are away: 127.0.0.1:{nodes.nodes[3].port}")
        nodes.owner.kill()
        await_finding(nodes.url, Level.ERROR, "of 16,384 slots are served")


def test_of_one_server_there_is_nothing_more_to_ask(settings: Settings) -> None:
    assert RedisGroupLook(settings.redis_url, timeout_ms=5_000).look() is None
