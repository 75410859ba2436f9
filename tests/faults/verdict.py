"""The verdict on a run: what was acknowledged is held against PostgreSQL, and the promises are checked."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from scripts.waiting import wait_until
from service.domain.model import Priority
from tests.faults.clients import Operation
from tests.faults.load import Load
from tests.faults.replay import EVENTS, Replay
from tests.faults.results import record, results_directory
from tests.faults.stand import Stand

SLACK_S = 8.0
"""How much later than its event a ticket may have changed hands: a transaction lasts less than that."""

NEEDS_REST = frozenset({"I5", "I6", "I8"})
"""What only the reconciler brings back once something was lost in Redis."""

CAUSES = {"resolve": "resolve", "release": "release", "start": "start", "return": "return", "delete": "delete"}
"""Operations that leave one event each, and its cause."""

MADE = "SELECT id, subject FROM tickets WHERE subject LIKE 'traffic %%'"
SOLD = """
SELECT t.id, t.status, t.agent_id, c.email FROM tickets t JOIN customers c ON c.id = t.customer_id
"""
HANDS = "SELECT agent_id, id FROM tickets WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL"
COUNTED = """
SELECT key, sum(CAST(value AS bigint)) AS counted FROM reconciliations r, jsonb_each_text(r.{column})
WHERE key <> 'rebuilt' GROUP BY key
"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

DEADLOCK_LOGGED = "ERROR:  deadlock detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run came to. `seconds_to_converge` counts from the end of the fault, traffic included; None: not asked."""

    scenario: str
    reconciling: bool
    acknowledged: int
    failed: int
    unknown: int
    lost: int
    duplicated: int
    largest_hand: int
    hands_sampled: int
    queues_sampled: int
    seconds_to_converge: float | None
    error_rate: float | None
    p99_ms: float | None
    operations_in_fault: int
    deadlocks: int
    inversions: int | None
    found: dict[str, int]
    confirmed: dict[str, int]
    repaired: dict[str, int]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.problems

    @property
    def repairs(self) -> int:
        return sum(self.repaired.values())


def judge(
    stand: Stand,
    load: Load,
    scenario: str,
    *,
    what: str = "",
    converge_within_s: float = 60.0,
    measured_s: float | None = None,
    ordered: bool = True,
) -> Verdict:
    """Judge a run whose traffic has ended, and keep the result. `what` says in a sentence what was done.

    `measured_s` is the time to converge where the test has measured it more closely. `ordered` says that the queues
    were to be in order all the time, as they are without somebody who writes into them past `enqueue.lua`.
    """
    problems: list[str] = []
    converged_s = _converge(stand, load, converge_within_s, problems) if stand.reconciling else None
    converged_s = converged_s if measured_s is None else measured_s
    replay = Replay(stand.sql(EVENTS))
    operations = load.history.all()
    lost = [*_lost_creates(stand, operations), *_lost_moves(replay, operations), *_lost_sales(stand, operations)]
    duplicated = [*replay.dealt_twice, *_made_twice(stand, operations)]
    problems += [*lost, *duplicated, *_not_theirs(replay, operations)]
    problems += [*replay.above_cap, *replay.unsold, *load.sampler.above_cap, *broken_promises(stand)]
    inversions = _inversions(stand) if ordered else None
    problems += [*load.sampler.out_of_order] if ordered else []
    problems += [f"{inversions} tickets were dealt before an older one"] if inversions else []
    deadlocks = _deadlocks(stand)
    problems += [f"{deadlocks} deadlocks"] if deadlocks else []
    rate, p99_ms, in_fault = _during(load, operations)
    outcomes = Counter(operation.outcome for operation in operations)
    verdict = Verdict(
        scenario=scenario, reconciling=stand.reconciling,
        acknowledged=outcomes["ok"], failed=outcomes["fail"], unknown=outcomes["unknown"],
        lost=len(lost), duplicated=len(duplicated),
        largest_hand=max(replay.largest_hand, load.sampler.largest_hand),
        hands_sampled=load.sampler.hands_seen, queues_sampled=load.sampler.queues_seen,
        seconds_to_converge=converged_s, error_rate=rate, p99_ms=p99_ms, operations_in_fault=in_fault,
        deadlocks=deadlocks, inversions=inversions, found=_counted(stand, "found"),
        confirmed=_counted(stand, "confirmed"), repaired=_counted(stand, "repaired"), problems=tuple(problems),
    )  # fmt: skip
    record(verdict, what)
    if problems:
        name = f"failed-{scenario}-{'on' if stand.reconciling else 'off'}"
        load.history.dump(results_directory() / f"{name}.jsonl")
    return verdict


def differences(stand: Stand) -> list[str]:
    """Say what still differs between Redis and PostgreSQL."""
    found: list[str] = []
    with contextlib.closing(stand.redis_client()) as client:
        try:
            if not client.exists(stand.keys.generation):
                found.append("the queue is not trusted")
            for priority in Priority:
                queued, wanted = stand.queue_ids(priority.value), [str(n) for n in stand.open_ids(priority.value)]
                if queued != wanted:
                    missing, phantom = set(wanted) - set(queued), set(queued) - set(wanted)
                    found.append(f"{priority}: {len(missing)} missing, {len(phantom)} phantoms of {len(wanted)}")
            if claims := client.zcard(stand.keys.claims):
                found.append(f"{claims} claims are open")
            found += _wrong_held_sets(stand, client)
        except (RedisError, OSError) as exc:
            found.append(f"Redis does not answer ({type(exc).__name__})")
    return found


def _wrong_held_sets(stand: Stand, client: Any) -> Iterator[str]:
    hands: dict[int, set[str]] = {person.id: set() for person in stand.people.agents}
    for row in stand.sql(HANDS):
        hands.setdefault(row.agent_id, set()).add(str(row.id))
    for agent_id, wanted in hands.items():
        held = client.smembers(stand.keys.held(agent_id))
        if held != wanted:
            yield f"agent {agent_id}: {len(held - wanted)} too many in the held set, {len(wanted - held)} missing"


def _converge(stand: Stand, load: Load, within_s: float, problems: list[str]) -> float:
    since_s = load.windows[-1][1] if load.windows else load.ended_s
    if not wait_until(lambda: not differences(stand), within_s, pause_s=0.1):
        problems.append(f"no agreement within {within_s:.0f} s: {'; '.join(differences(stand))}")
    return max(0.0, time.time() - since_s)


def _lost_creates(stand: Stand, operations: list[Operation]) -> Iterator[str]:
    made = {(row.id, row.subject) for row in stand.sql(MADE)}
    for operation in _acknowledged(operations, "create"):
        if (operation.tickets[0], operation.about) not in made:
            yield f"ticket {operation.tickets[0]} was acknowledged and is not there"


def _made_twice(stand: Stand, operations: list[Operation]) -> Iterator[str]:
    """Find requests that made more than they were asked for, or anything although they were refused."""
    outcomes: dict[str, set[str]] = {}
    for operation in operations:
        if operation.kind == "create":
            outcomes.setdefault(operation.about, set()).add(operation.outcome)
    for subject, times in Counter(row.subject for row in stand.sql(MADE)).items():
        if times > 1:
            yield f"{subject!r} was created {times} times"
        if outcomes.get(subject) == {"fail"}:
            yield f"{subject!r} was refused and is there"


def _lost_moves(replay: Replay, operations: list[Operation]) -> Iterator[str]:
    done = Counter((op.ticket_id, CAUSES[op.kind], op.who_id) for op in operations if op.kind in CAUSES and _is_ok(op))
    for (ticket_id, cause, who_id), times in done.items():
        found = replay.causes[ticket_id or 0, cause, who_id]
        if found < times:
            yield f"ticket {ticket_id}: {times} x {cause} acknowledged to {who_id}, {found} in its history"
    for operation in _acknowledged(operations, "assign"):
        if (operation.ticket_id, "reassign", int(operation.about)) not in replay.receivers:
            yield f"ticket {operation.ticket_id}: acknowledged as given to {operation.about}, its history knows nothing"


def _lost_sales(stand: Stand, operations: list[Operation]) -> Iterator[str]:
    sold = {row.id: row for row in stand.sql(SOLD)}
    for operation in _acknowledged(operations, "sell"):
        row = sold.get(operation.ticket_id)
        if row is None or (row.status, row.agent_id, row.email) != ("sold", operation.who_id, operation.about):
            yield f"ticket {operation.ticket_id}: the sale to {operation.about} was acknowledged, and it is {row}"


def _not_theirs(replay: Replay, operations: list[Operation]) -> Iterator[str]:
    """Find tickets that a fetch showed and PostgreSQL did not give (I4)."""
    for operation in _acknowledged(operations, "fetch"):
        between_s = (operation.began_s, operation.ended_s)
        for ticket_id in operation.tickets:
            if not replay.had(operation.who_id, ticket_id, between_s=between_s, slack_s=SLACK_S):
                yield f"agent {operation.who_id} was shown ticket {ticket_id} and never had it then"
        if len(set(operation.tickets)) != len(operation.tickets):
            yield f"agent {operation.who_id} was shown a ticket twice in one hand"


def broken_promises(stand: Stand) -> Iterator[str]:
    """Check the invariants: those that are promised at every instant, and with a reconciler all."""
    for result in stand.container.invariants.check(at_rest=stand.reconciling):
        if result.ok is False and (stand.reconciling or result.code not in NEEDS_REST):
            yield f"{result.code} {result.title}: {result.violations}, e.g. {', '.join(result.examples)}"


def _during(load: Load, operations: list[Operation]) -> tuple[float | None, float | None, int]:
    """Measure what was sent while something was broken: the share of errors, and the 99th percentile in ms."""
    sent = [op for op in operations if op.ended_s and any(a <= op.began_s <= b for a, b in load.windows)]
    if not sent:
        return None, None, 0
    errors = sum(op.outcome == "unknown" or op.status is None for op in sent)
    took_ms = sorted((op.ended_s - op.began_s) * 1_000 for op in sent)
    return errors / len(sent), round(took_ms[min(len(sent) - 1, int(len(sent) * 0.99))], 1), len(sent)


def _deadlocks(stand: Stand) -> int:
    """Count what PostgreSQL has counted, or logged where that is more: a crash makes it forget its counts."""
    logged = stand.postgres.log.read_text(errors="replace").count(DEADLOCK_LOGGED)
    return max(logged, int(stand.sql(DEADLOCKS)[0].deadlocks))


def _inversions(stand: Stand) -> int | None:
    with contextlib.closing(stand.redis_client()) as client, contextlib.suppress(RedisError, OSError):
        return int(client.get(stand.keys.inversions) or 0)
    return None


def _counted(stand: Stand, column: str) -> dict[str, int]:
    """Count what the reconciler has found, confirmed or repaired, by kind, rebuilds aside."""
    return {row.key: int(row.counted) for row in stand.sql(COUNTED.format(column=column)) if row.counted}


def _acknowledged(operations: list[Operation], kind: str) -> Iterator[Operation]:
    return (operation for operation in operations if operation.kind == kind and _is_ok(operation))


def _is_ok(operation: Operation) -> bool:
    return operation.outcome == "ok"
