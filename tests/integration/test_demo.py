"""The demo on real servers: laid once, by the book, and never with other people's tickets."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.model import Level, Role
from service.usecases.demo import PASSWORD
from service.usecases.demo_data import AGENTS, TICKETS
from service.usecases.invariants import all_hold


def count(engine: Engine, sql: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(sql)).scalar_one())


def test_the_demo_is_laid_through_the_use_cases(container: Container, engine: Engine) -> None:
    result = container.demo.lay()
    assert (result.accounts_made, result.tickets_made, result.names_taken) == (11, TICKETS, ())
    assert [account.role for account in result.accounts].count(Role.AGENT) == 10
    assert result.tickets_sold == count(engine, "SELECT count(*) FROM tickets WHERE status = 'sold'") == 10
    assert result.tickets_held == count(engine, "SELECT sum(held) FROM agents") > 0
    assert count(engine, "SELECT count(*) FROM agents WHERE level = 'senior'") == 3
    assert count(engine, "SELECT count(*) FROM customers") == 5
    medium = count(engine, "SELECT count(*) FROM tickets WHERE priority = 'medium'")
    assert TICKETS / 2 < medium < TICKETS
    assert all_hold(container.invariants.check(at_rest=True))


def test_laying_it_again_adds_nothing(container: Container, engine: Engine) -> None:
    first = container.demo.lay()
    before = count(engine, "SELECT count(*) FROM ticket_events")
    second = container.demo.lay()
    assert (second.accounts_made, second.tickets_made, second.tickets_sold) == (0, 0, 0)
    assert second.accounts == first.accounts
    assert count(engine, "SELECT count(*) FROM ticket_events") == before
    assert count(engine, "SELECT count(*) FROM users") == 11


def test_everybody_in_the_demo_can_sign_in(container: Container) -> None:
    container.demo.lay()
    assert container.sessions.login("ada", PASSWORD, address=None).user.role is Role.AGENT
    assert container.sessions.login("olivia", PASSWORD, address=None).user.role is Role.OPERATOR


def test_somebody_who_has_a_demo_name_is_left_alone(
    container: Container, engine: Engine, make_agent: Callable[..., int]
) -> None:
    ada = make_agent("ada")
    result = container.demo.lay()
    assert result.names_taken == ("ada",)
    assert "ada" not in {account.username for account in result.accounts}
    assert count(engine, f"SELECT held FROM agents WHERE id = {ada}") == 0


def test_demo_agents_do_not_take_tickets_that_were_there_before(
    container: Container, make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(3)
    result = container.demo.lay()
    assert (result.tickets_made, result.tickets_held, result.tickets_sold) == (TICKETS, 0, 0)


def test_levels_and_capacities_are_mixed(container: Container) -> None:
    container.demo.lay()
    for person in AGENTS:
        assert person.takes <= person.capacity
        assert person.sells + person.resolves + person.starts <= max(person.takes, 0)
    assert {person.level for person in AGENTS} == set(Level)
