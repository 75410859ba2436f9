"""Several tickets in one request: the model does one after the other, the service all in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule

from service.domain.errors import FairdealError
from service.usecases.bulk import Assignment, Bulk, Seen
from service.usecases.desk import Act, Desks
from service.usecases.lifecycle import ItemResult, Sale
from service.usecases.ports.tickets import Buyer
from tests.property.desk import Desk
from tests.property.model import Model

PICKS = st.lists(st.integers(0, 60), min_size=1, max_size=6)
AGENT = st.integers(0, 5)


class Together(Desk):
    """Operations on several tickets."""

    @rule(number=AGENT, picks=PICKS, customer=st.integers(0, 2))
    def sell_several(self, number: int, picks: list[int], customer: int) -> None:
        agent, email = self.agent(number), f"kim{customer}@example.com"
        buyer = Buyer(name="Kim", email=email)
        self.perform_all(
            self.several(picks, of=agent),
            lambda model, ticket: model.sold(agent, ticket, email),
            lambda ids: self.world.lifecycle.sell_many(agent, [Sale(ticket, buyer) for ticket in ids]),
        )

    @rule(number=AGENT, picks=PICKS, act=st.sampled_from(Act))
    def work_several(self, number: int, picks: list[int], act: Act) -> None:
        agent, nothing = self.agent(number), None
        desks = Desks(store=nothing, users=nothing, lifecycle=self.world.lifecycle)  # type: ignore[arg-type]
        self.perform_all(
            self.several(picks, of=agent),
            lambda model, ticket: model.worked(act.value, agent, ticket),
            lambda ids: desks.work(agent, act, ids, reason="lunch"),
        )

    @rule(number=AGENT, to=AGENT, picks=PICKS, act=st.sampled_from(["assign", "return", "reopen"]))
    def administer_several(self, number: int, to: int, picks: list[int], act: str) -> None:
        agent, nothing = self.agent(to), None
        bulk = Bulk(store=nothing, lifecycle=self.world.lifecycle, tickets=nothing)  # type: ignore[arg-type]
        call: dict[str, Callable[[list[int]], list[ItemResult]]] = {
            "assign": lambda ids: bulk.assign([Assignment(ticket, agent) for ticket in ids], actor_id=None),
            "return": lambda ids: bulk.put_back([Seen(ticket) for ticket in ids], actor_id=None),
            "reopen": lambda ids: bulk.reopen([Seen(ticket) for ticket in ids], actor_id=None),
        }
        self.perform_all(
            self.several(picks, of=self.agent(number)),
            lambda model, ticket: model.assigned(ticket, agent) if act == "assign" else model.given_back(act, ticket),
            call[act],
        )

    def several(self, picks: list[int], *, of: int) -> list[int]:
        return list(dict.fromkeys(self.ticket(pick, of=of) for pick in picks))

    def perform_all(
        self, ids: list[int], predict: Callable[[Model, int], Model], call: Callable[[list[int]], list[ItemResult]]
    ) -> None:
        """Run an operation whose every part the model can foretell: all that is possible is done, or nothing."""
        after, expected = self.model, list[type]()
        for ticket in ids:
            try:
                after = predict(after, ticket)
                expected.append(type(None))
            except FairdealError as refused:
                expected.append(type(refused))
        outcome = self.attempt(lambda: call(ids))
        if outcome.writes:
            self.model = after
        if outcome.error is None:
            assert [type(result.error) for result in outcome.result] == expected
            assert self.model == after
        else:
            self.check_error(outcome, None)
