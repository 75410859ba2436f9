"""What the doctor knows of servers that stand together: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from service.usecases.doctor_checks import MIB, Finding, Level
from service.usecases.ports.doctor import ClusterFacts, ReplicaFacts, SentinelFacts

SLOTS = 16_384
FAR_BEHIND_BYTES = 64 * MIB


def sentinels(facts: SentinelFacts) -> Iterator[Finding]:
    """Judge whether a master that dies would be replaced, and whether the one there is can be reached."""
    about, asked = "sentinel", len(facts.masters) + len(facts.silent)
    named = sorted(set(facts.masters.values()) - {""})
    if not named:
        mend = "Name the master as the Sentinels do (SENTINEL MASTERS), or have them watch it (SENTINEL MONITOR)"
        yield Finding(about, Level.ERROR, f"No Sentinel watches a master called {facts.master}", mend)
        return
    if len(named) > 1:
        says = f"The Sentinels name different masters: {', '.join(named)}"
        mend = "Wait for the failover to end; if this stays: SENTINEL RESET on the odd ones"
        yield Finding(about, Level.ERROR, says, mend)
    if facts.unreachable:
        says = f"The master they name does not answer this host: {', '.join(facts.unreachable)}"
        mend = "Start it, open the way to it, or have it announced by an address all hosts reach (replica-announce-ip)"
        yield Finding(about, Level.ERROR, says, mend)
    if facts.silent:
        yield Finding(about, Level.WARNING, f"Sentinels are silent: {', '.join(facts.silent)}", "Start them")
    for name, says in facts.doubts.items():
        yield Finding(
            about, Level.ERROR, f"{name} could not have the master replaced: {says}", "Start Sentinels up to the quorum"
        )
    if not facts.replicas:
        says = "No replica could take the master's place"
        yield Finding(about, Level.WARNING, says, "Start a replica (replicaof), and look at its log")
    says = f"{len(facts.masters)} of {asked} Sentinels answer; master: {named[0]}, replicas: {facts.replicas}"
    yield Finding(about, Level.OK, says)


def cluster(facts: ClusterFacts) -> Iterator[Finding]:
    """Judge whether every slot is served, and would be if a node went."""
    about = "cluster"
    if facts.state != "ok" or facts.slots < SLOTS:
        says = f"The Cluster's state is {facts.state}, {facts.slots:,} of {SLOTS:,} slots are served"
        yield Finding(about, Level.ERROR, says, "Start its nodes; then valkey-cli --cluster check, and --cluster fix")
    if facts.failed or facts.silent:
        says = f"Nodes are away: {', '.join(sorted({*facts.failed, *facts.silent}))}"
        yield Finding(about, Level.WARNING, says, "Start them, or take them out (CLUSTER FORGET) and out of REDIS_URL")
    bare = [name for name, count in sorted(facts.replicas.items()) if not count]
    if bare:
        says = f"Nobody could take the place of {', '.join(bare)}"
        yield Finding(about, Level.WARNING, says, "Give each a replica (valkey-cli --cluster add-node --cluster-slave)")
    says = f"{len(facts.replicas)} nodes serve {facts.slots:,} slots; replicas: {sum(facts.replicas.values())}"
    yield Finding(about, Level.OK, says)


def replica(facts: ReplicaFacts) -> Iterator[Finding]:
    """Judge whether lists can be read there: they are read at the primary instead where not."""
    about = "replica"
    if not facts.is_standby or not facts.is_of_the_primary:
        says = "REPLICA_DATABASE_URL leads to a server that does not follow the primary, so nothing is read there"
        yield Finding(about, Level.WARNING, says, "Lead it to a streaming standby of DATABASE_URL, or leave it out")
    elif facts.is_paused or facts.behind_bytes > FAR_BEHIND_BYTES:
        why = "Its replay is paused" if facts.is_paused else f"It is {facts.behind_bytes // MIB:,} MiB behind"
        mend = "SELECT pg_wal_replay_resume(); else look at its log, its disk and the way to it"
        yield Finding(about, Level.WARNING, f"{why}: lists are read at the primary instead", mend)
    else:
        yield Finding(about, Level.OK, f"It follows the primary, {facts.behind_bytes:,} bytes behind")
