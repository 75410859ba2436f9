"""Two change the same ticket at once, and the hints of the first arrive after those of the second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import AgentAway
from service.domain.model import Availability, Priority, QueuedTicket
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.queue import Popped
from service.usecases.ports.tickets import TicketChanges, TicketDraft
from tests.integration.desk import Desk, Make, MakeMany, check_agreement

Act = Callable[[], object]


class LateQueue(RedisTicketQueue):
    """Let something happen before the hint number `late` is sent, from 1 on."""

    late = 0
    meanwhile: Act

    def _wait(self) -> None:
        self.late -= 1
        if self.late == 0:
            self.meanwhile()

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._wait()
        super().hold(agent_id, ticket_ids)

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._wait()
        super().unhold(agent_id, ticket_ids)

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        self._wait()
        return super().enqueue(tickets)

    def move(self, leaving: Sequence[QueuedTicket], entering: Sequence[QueuedTicket]) -> None:
        self._wait()
        super().move(leaving, entering)

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        self._wait()
        return super().remove(tickets)


class MeanwhileQueue(RedisTicketQueue):
    """Let something happen after each pop, before PostgreSQL decides; once."""

    meanwhile: Act | None = None

    def claim(self, **asked: object) -> Popped:  # type: ignore[override]
        popped = super().claim(**asked)  # type: ignore[arg-type]
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return popped


class Scene:
    """Ann, Bob and Cem, four tickets held by Ann and six in the queue; `slow` is overtaken by `prompt`."""

    def __init__(self, engine: Engine, client: Redis, keys: Keys, make_agent: Make, make_tickets: MakeMany) -> None:
        self.engine, self.client, self.keys = engine, client, keys
        self.late = LateQueue(client, keys)
        self.slow, self.prompt = Desk(engine, self.late), Desk(engine, RedisTicketQueue(client, keys))
        self.ann, self.bob, self.cem = make_agent("ann"), make_agent("bob"), make_agent("cem")
        self.ids = make_tickets(10)
        self.prompt.assignments.fetch(self.ann, limit=4)

    def overtake(self, slow: Act, prompt: Act, *, late: int) -> None:
        self.late.late, self.late.meanwhile = late, prompt
        slow()
        assert self.late.late <= 0, "there were fewer hints than that"

    def give(self, ticket_id: int, agent_id: int) -> Act:
        return lambda: self.prompt.lifecycle.assign(ticket_id, agent_id=agent_id, actor_id=None)

    def check(self) -> None:
        check_agreement(self.engine, self.client, self.keys)


@pytest.fixture
def scene(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_tickets: MakeMany,
) -> Scene:
    return Scene(engine, redis_client, keys, make_agent, make_tickets)


both_hints = pytest.mark.parametrize("late", [1, 2])


@both_hints
def test_an_assignment_overtaken_by_the_next(scene: Scene, late: int) -> None:
    first = scene.ids[0]
    slow = scene.slow.lifecycle
    scene.overtake(
        lambda: slow.assign(first, agent_id=scene.bob, actor_id=None), scene.give(first, scene.cem), late=late
    )
    scene.check()


@both_hints
def test_an_assignment_overtaken_by_the_way_back(scene: Scene, late: int) -> None:
    first = scene.ids[0]
    slow = scene.slow.lifecycle
    scene.overtake(
        lambda: slow.assign(first, agent_id=scene.bob, actor_id=None), scene.give(first, scene.ann), late=late
    )
    scene.check()


@both_hints
def test_an_assignment_from_the_queue_overtaken_by_a_return(scene: Scene, late: int) -> None:
    sixth = scene.ids[5]
    slow = scene.slow.lifecycle
    back = scene.prompt.lifecycle
    scene.overtake(
        lambda: slow.assign(sixth, agent_id=scene.bob, actor_id=None),
        lambda: back.return_one(sixth, actor_id=None),
        late=late,
    )
    scene.check()


@both_hints
def test_a_release_overtaken_by_an_assignment(scene: Scene, late: int) -> None:
    first = scene.ids[0]
    slow = scene.slow.lifecycle
    scene.overtake(lambda: slow.release(scene.ann, first, reason="lunch"), scene.give(first, scene.bob), late=late)
    scene.check()


def test_a_resolution_overtaken_by_taking_the_ticket_up_again(scene: Scene) -> None:
    first = scene.ids[0]
    scene.overtake(
        lambda: scene.slow.lifecycle.resolve(scene.ann, first),
        lambda: scene.prompt.lifecycle.start(scene.ann, first),
        late=1,
    )
    scene.check()


@pytest.mark.parametrize("many", [False, True])
def test_a_creation_overtaken_by_the_deletion(scene: Scene, many: bool) -> None:
    drafts = [TicketDraft(subject="x"), TicketDraft(subject="y")]
    tickets = scene.slow.tickets
    scene.overtake(
        lambda: tickets.create_many(drafts, actor_id=None) if many else tickets.create(drafts[0], actor_id=None),
        lambda: scene.prompt.tickets.delete(11, actor_id=None),
        late=1,
    )
    scene.check()


def test_a_creation_overtaken_by_an_assignment(scene: Scene) -> None:
    draft = TicketDraft(subject="x")
    create = scene.slow.tickets.create
    scene.overtake(lambda: create(draft, actor_id=None), scene.give(11, scene.bob), late=1)
    scene.check()


@pytest.mark.parametrize("then", [Priority.MEDIUM, Priority.HIGH])
def test_a_new_priority_overtaken_by_another(scene: Scene, then: Priority) -> None:
    sixth = scene.ids[5]

    def edit(desk: Desk, priority: Priority) -> Act:
        return lambda: desk.tickets.update(sixth, TicketChanges(priority=priority), actor_id=None)

    scene.overtake(edit(scene.slow, Priority.LOW), edit(scene.prompt, then), late=1)
    scene.check()


@both_hints
def test_giving_everything_back_overtaken_by_an_assignment(scene: Scene, late: int) -> None:
    scene.overtake(
        lambda: scene.slow.assignments.return_all(scene.ann, actor_id=None),
        scene.give(scene.ids[1], scene.bob),
        late=late,
    )
    scene.check()


@both_hints
def test_a_deactivation_overtaken_by_an_assignment(scene: Scene, late: int) -> None:
    changes = AgentChanges(is_active=False)
    scene.overtake(
        lambda: scene.slow.agents.update(scene.ann, changes, actor_id=None),
        scene.give(scene.ids[1], scene.bob),
        late=late,
    )
    scene.check()


@both_hints
def test_a_fetch_without_a_queue_overtaken_by_an_assignment(scene: Scene, late: int) -> None:
    generation = scene.client.getdel(scene.keys.generation)
    assert generation is not None

    def prompt() -> None:
        scene.client.set(scene.keys.generation, generation)
        scene.give(scene.ids[4], scene.cem)()
        scene.prompt.lifecycle.return_one(scene.ids[5], actor_id=None)

    scene.overtake(lambda: scene.slow.assignments.fetch(scene.bob, limit=3), prompt, late=late)
    scene.check()


def fetching(scene: Scene, agent: int, meanwhile: Act, *, limit: int | None = None) -> list[int]:
    """Let an agent fetch while, between the pop and the decision, something happens."""
    queue = MeanwhileQueue(scene.client, scene.keys)
    queue.meanwhile = meanwhile
    return [ticket.id for ticket in Desk(scene.engine, queue).assignments.fetch(agent, limit=limit).tickets]


def test_what_is_refused_for_it_is_in_the_hand_already_stays_in_the_held_set(scene: Scene) -> None:
    assert fetching(scene, scene.bob, scene.give(scene.ids[4], scene.bob)) == scene.ids[4:]
    scene.check()


def test_what_is_refused_for_somebody_else_has_it_leaves_the_held_set(scene: Scene) -> None:
    assert fetching(scene, scene.bob, scene.give(scene.ids[4], scene.cem)) == scene.ids[5:]
    scene.check()


def test_a_late_hint_between_pop_and_decision_leaves_no_phantom(scene: Scene) -> None:
    """Of a writer who looked before the decision, and saw the ticket open as hinted."""
    first = scene.ids[0]
    scene.prompt.lifecycle.release(scene.ann, first, reason="lunch")
    late = [QueuedTicket(first, Priority.MEDIUM)]
    fetching(scene, scene.bob, lambda: scene.prompt.assignments._queue.enqueue(late), limit=2)
    scene.check()


def test_a_new_priority_between_pop_and_decision_leaves_no_phantom(scene: Scene) -> None:
    changes = TicketChanges(priority=Priority.LOW)
    edit = scene.prompt.tickets.update
    fetching(scene, scene.bob, lambda: edit(scene.ids[4], changes, actor_id=None), limit=2)
    scene.check()


def test_a_ticket_nobody_has_touched_is_fetched_without_a_hint(scene: Scene) -> None:
    scene.slow.assignments.fetch(scene.bob, limit=2)
    assert scene.late.late == 0, "no hint was sent"
    scene.check()


def test_mending_a_held_set_overtaken_by_an_assignment(scene: Scene) -> None:
    wrong = scene.ids[5]
    scene.client.sadd(scene.keys.held(scene.bob), wrong, *range(10**6, 10**6 + 14))
    scene.client.lrem(scene.keys.queue(Priority.MEDIUM), 1, str(wrong))
    scene.overtake(lambda: scene.slow.assignments.fetch(scene.bob), scene.give(wrong, scene.bob), late=1)
    scene.check()


def test_what_went_back_is_popped_anew_by_a_repeated_fetch(scene: Scene) -> None:
    """The same `operation_id` within a minute: the first answer of the queue would name tickets that it has again."""
    operation = uuid4()
    available = scene.prompt.agents.set_availability
    queue = MeanwhileQueue(scene.client, scene.keys)
    queue.meanwhile = lambda: available(scene.bob, Availability.AWAY)
    desk = Desk(scene.engine, queue)
    with pytest.raises(AgentAway):
        desk.assignments.fetch(scene.bob, operation_id=operation)
    scene.check()
    available(scene.bob, Availability.AVAILABLE)
    assert desk.assignments.fetch(scene.bob, operation_id=operation).assigned_now == 6
    scene.check()


def test_what_the_cap_cuts_off_overtaken_by_an_assignment(scene: Scene) -> None:
    """The bound sinks between pop and decision, and somebody takes what was cut off before it is queued again."""
    lower = text("UPDATE agents SET capacity = 1 WHERE id = :id")

    class Cutting(LateQueue):
        def claim(self, **asked: object) -> Popped:  # type: ignore[override]
            popped = super().claim(**asked)  # type: ignore[arg-type]
            with scene.engine.begin() as connection:
                connection.execute(lower, {"id": scene.bob})
            return popped

    scene.late = Cutting(scene.client, scene.keys)
    fetch = Desk(scene.engine, scene.late).assignments.fetch
    scene.overtake(lambda: fetch(scene.bob, limit=3), scene.give(scene.ids[5], scene.cem), late=2)
    scene.check()
