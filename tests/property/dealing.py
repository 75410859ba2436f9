"""Fetches: as named operations, which may be tried again, and as plain polls of a session, which go their own way."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from service.domain.errors import AgentAway, FairdealError, NotSignedIn
from service.domain.model import Availability
from service.usecases.assignments import Hand
from service.usecases.ports.tickets import Buyer, Claimed
from tests.property.desk import Outcome
from tests.property.failpoints import Done
from tests.property.pushing import Pushing

AGENT = st.integers(0, 5)
LIMIT = st.none() | st.integers(1, 15)


class Dealing(Pushing):
    """Agents who ask for work."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int | None]] = []

    @rule(number=AGENT, limit=LIMIT)
    def fetch(self, number: int, limit: int | None) -> None:
        self.asked.append((self.agent(number), limit))
        self.ask(len(self.asked))

    @precondition(lambda self: self.asked)
    @rule(back=st.integers(0, 2))
    def fetch_again(self, back: int) -> None:
        """Try one of the last fetches again, as the same operation: what was dealt by it is not dealt once more."""
        self.ask(max(1, len(self.asked) - back))

    def ask(self, turn: int) -> None:
        """Fetch as the operation of this turn, and compare what was dealt with what was due."""
        (agent, limit), name = self.asked[turn - 1], UUID(int=turn)
        refusal, repeated = self.model.refusal(agent), self.claims.get(name, [])
        room = 0 if refusal or repeated else max(0, self.model.room(agent))
        outcome = self.attempt(lambda: self.world.assignments.fetch(agent, limit=limit, operation_id=name))
        self.check_dealt(agent, outcome, wanted=min(room, limit or room), refusal=refusal, repeated=repeated)

    @rule(number=AGENT)
    def poll(self, number: int) -> None:
        """Fetch plainly, by a session: whoever was dealt something the last time begins with the queue."""
        agent = self.agent(number)
        refusal, room = self.poll_refusal(agent), self.model.room(agent)
        outcome = self.attempt(lambda: self.world.poll(agent))
        self.check_dealt(agent, outcome, wanted=0 if refusal else max(0, room), refusal=refusal, repeated=[])

    @rule(number=AGENT, kept=st.integers(0, 2))
    def sell_and_poll(self, number: int, kept: int) -> None:
        """Sell what is held, or most of it, and fetch anew."""
        agent = self.agent(number)
        for ticket in self.model.hand(agent)[kept:]:
            self.work_off(agent, ticket)
        self.poll(number)

    def work_off(self, agent: int, ticket: int) -> None:
        """Sell a ticket."""
        buyer = Buyer(name="Kim", email="kim0@example.com")
        self.perform(
            lambda: self.model.sold(agent, ticket, buyer.email),
            lambda: self.world.lifecycle.sell(agent, ticket, buyer),
        )

    def poll_refusal(self, agent: int) -> type[FairdealError] | None:
        """Say with which error a session's fetch is refused: those of who is gone are over."""
        state = self.model.agents[agent]
        if state.deleted or not state.active:
            return NotSignedIn
        return AgentAway if state.availability is Availability.AWAY else None

    def check_dealt(
        self, agent: int, outcome: Outcome, *, wanted: int, refusal: type[FairdealError] | None, repeated: list[int]
    ) -> None:
        """Compare what was dealt with what was due."""
        due = self.model.due(agent)
        from_queue, from_database = self.dealt(outcome, "claim"), self.dealt(outcome, "claim_oldest")
        dealt = [*from_queue, *from_database]
        assert len(dealt) <= wanted
        assert len(set(dealt)) == len(dealt)
        assert set(dealt) <= set(due), "open, and fit for the agent's level"
        left = [ticket for ticket in due if ticket not in from_queue]
        if any(write.name == "claim_oldest" for write in outcome.writes):
            assert from_database == left[: wanted - len(from_queue)], "PostgreSQL alone deals the oldest"
        if self.in_line:
            assert dealt == due[:wanted], "the oldest, first priority first"
        self.model = self.model.dealt(agent, dealt)
        self.claims |= {write.options["claim_id"]: self.ids(write) for write in outcome.writes if self.ids(write)}
        if outcome.error is None:
            self.check_hand(agent, outcome.result, repeated or dealt, by_database=from_database)
        else:
            self.check_error(outcome, refusal)

    @staticmethod
    def ids(write: Done) -> list[int]:
        """List what a claim assigned."""
        verdict: Claimed = write.result
        return [ticket.id for ticket in verdict.assigned]

    def dealt(self, outcome: Outcome, name: str) -> list[int]:
        """List what the arbiter assigned by one way or the other."""
        return [ticket for write in outcome.writes if write.name == name for ticket in self.ids(write)]

    def check_hand(self, agent: int, hand: Hand, dealt: list[int], *, by_database: list[int]) -> None:
        assert [ticket.id for ticket in hand.tickets] == self.model.hand(agent)
        assert (hand.held, hand.capacity) == (len(hand.tickets), self.model.agents[agent].capacity)
        assert hand.assigned_now == len(dealt)
        assert hand.served_by == "database" or not by_database
