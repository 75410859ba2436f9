"""Dispatch in the stories: agents say whether they take what they are given, and are given it."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from service.domain.model import Cause, Level, Priority
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.tickets import Claimed
from tests.property.desk import Desk
from tests.property.model import Model

TAKERS = {
    Priority.HIGH: {Level.SENIOR},
    Priority.MEDIUM: {Level.SENIOR, Level.JUNIOR},
    Priority.LOW: {Level.SENIOR, Level.JUNIOR},
}
"""Written down here once more, as the model does with the order of queues."""


class Pushing(Desk):
    """What dispatch does."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[UUID, list[int]] = {}

    @rule(number=st.integers(0, 5), willing=st.booleans())
    def be_willing(self, number: int, *, willing: bool) -> None:
        agent = self.agent(number)
        self.perform(
            lambda: self.model.changed(agent, auto_assign=willing),
            lambda: self.world.agents.update(agent, AgentChanges(auto_assign=willing), actor_id=None),
        )

    @rule()
    def dispatch(self) -> None:
        """Give out what waits; each share must be the agent's to have when it was decided."""
        self.world.expire_leases()
        before = self.model
        outcome = self.attempt(lambda: self.world.dispatcher.run(trigger="test"))
        given: list[int] = []
        for write in outcome.writes:
            if write.name in {"claim", "claim_oldest"}:
                verdict: Claimed = write.result
                ids, agent = [ticket.id for ticket in verdict.assigned], write.options["agent_id"]
                assert write.options["cause"] is Cause.DISPATCH
                assert set(ids) <= set(self.model.due(agent)), "open, and fit for the agent's level"
                assert not ids or self.is_willing(agent)
                assert len(ids) <= self.model.room(agent)
                self.model = self.model.dealt(agent, ids)
                self.claims |= {write.options["claim_id"]: ids} if ids else {}
                given += ids
        if self.in_line:
            self.check_given(before, given)
        if outcome.error is not None:
            self.check_error(outcome, None)

    def is_willing(self, agent: int) -> bool:
        return self.model.agents[agent].auto_assign and self.model.refusal(agent) is None

    def check_given(self, before: Model, given: list[int]) -> None:
        """The oldest of each priority, to whom they may go first, and as many as there was room for."""
        free = {
            level
            for agent, state in self.model.agents.items()
            for level in [state.level]
            if self.is_willing(agent) and self.model.room(agent) > 0
        }
        for priority in Priority:
            of_it = [ticket for ticket in before.opened(priority) if ticket in given]
            assert of_it == before.opened(priority)[: len(of_it)], "the oldest"
            if len(of_it) < len(before.opened(priority)):
                assert not free & TAKERS[priority], "nothing waits for whom there is room"
        medium_to = {self.model.tickets[i].agent for i in given if before.tickets[i].priority is Priority.MEDIUM}
        if any(agent is not None and self.model.agents[agent].level is Level.JUNIOR for agent in medium_to):
            assert Level.SENIOR not in free, "a senior first"
