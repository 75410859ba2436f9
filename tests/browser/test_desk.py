"""An agent's day in a browser: with scripts, without, by keyboard, and beside a colleague."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from service.domain.model import Priority
from service.store.hold_limit import PostgresHoldLimit
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.tickets import TicketChanges, TicketDraft
from tests.browser.looking import Visit, inspect, sign_in
from tests.integration.waiting import LIMIT, let_pass, lose_untouched

People = Callable[..., int]

LONG = (
    "Customer in Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch was charged three times for one order and "
    "cannot reach anybody: Rindfleischetikettierungsüberwachungsaufgabenübertragung"
)
SUBJECTS = ("Where is order F-104000?", LONG, "Pico printer arrived damaged", "Wrong colour: Nimbus router")
PRIORITIES = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def lay(container: Any, count: int) -> list[int]:
    """Create tickets of all sorts and return their ids."""
    drafts = [
        TicketDraft(subject=SUBJECTS[n % 4], description=f"About {n}.\n\n{LONG}", priority=PRIORITIES[n % 3])
        for n in range(count)
    ]
    return [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]


def shown(page: Any) -> list[int]:
    """List the tickets in the hand that the page shows, in its order."""
    return [int(row.get_attribute("data-row")) for row in page.locator("[data-row]").all()]


def test_an_agents_journey(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    ann = people("ann")
    ids = lay(container, 17)
    page = visit("ann")
    page.get_by_text("Your hand is empty").wait_for()
    page.get_by_role("button", name="Get tickets").click()
    page.get_by_text("15 new tickets for you.").wait_for()
    held = sorted(ticket.id for ticket in container.assignments.held(ann).tickets)
    assert shown(page) == held
    assert len(held) == 15
    page.get_by_role("button", name=f"Start ticket {held[0]}", exact=True).click()
    page.get_by_text(f"Ticket {held[0]} is started.").wait_for()
    inspect(page, "desk-full")
    page.get_by_role("button", name=f"Resolve ticket {held[0]}", exact=True).click()
    page.get_by_role("button", name=f"Take up again ticket {held[0]}", exact=True).wait_for()
    for ticket_id in held[1:4]:
        page.get_by_label(f"Select ticket {ticket_id}", exact=True).check()
    page.get_by_text("3 selected").wait_for()
    page.get_by_role("button", name="Sell…", exact=True).click()
    page.get_by_role("heading", name="Sell 3 tickets").wait_for()
    inspect(page, "sell")
    page.get_by_label("Customer's email").fill("not an address")
    page.get_by_role("button", name="Sell").click()
    page.get_by_text("must look like name@example.com").wait_for()
    assert page.evaluate("document.activeElement.id") == "name"
    inspect(page, "sell-wrong")
    page.get_by_label("Customer's name").fill("Kim")
    page.get_by_label("Customer's email").fill("kim@example.com")
    page.get_by_role("button", name="Sell").click()
    page.get_by_text("3 tickets are sold to Kim.").wait_for()
    page.get_by_role("link", name=re.compile("order F-104000")).first.click()
    page.get_by_role("heading", name="History").wait_for()
    page.get_by_label("Add a note").fill("Called, no answer")
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("Your note is kept.").wait_for()
    assert page.get_by_label("Add a note").input_value() == ""
    inspect(page, "ticket")
    page.get_by_role("button", name="Give back…").click()
    page.get_by_label("Reason").fill("Needs somebody who speaks Finnish")
    inspect(page, "release")
    page.get_by_role("button", name="Give back").click()
    page.get_by_text("is given back.").wait_for()
    page.get_by_role("button", name="Go away").click()
    page.get_by_role("button", name="I am back").wait_for()
    page.get_by_role("link", name="Account").click()
    page.get_by_role("heading", name="New password").wait_for()
    inspect(page, "account")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    assert len(ids) == 17


def test_what_others_change_is_shown_while_the_desk_is_open(visit: Visit, people: People, container: Any) -> None:
    root, ann = people("root", "admin"), people("ann")
    lay(container, 3)
    container.assignments.fetch(ann)
    first, second, third = (ticket.id for ticket in container.assignments.held(ann).tickets)
    page = visit("ann")
    page.get_by_label(f"Select ticket {third}").check()
    container.lifecycle.return_one(first, actor_id=root, reason="I take this one myself")
    container.tickets.update(second, TicketChanges(priority=Priority.HIGH), actor_id=root)
    page.get_by_role("heading", name="Changed since you looked").wait_for()
    page.get_by_text("I take this one myself").wait_for()
    assert shown(page) == [second, third]
    assert page.get_by_label(f"Select ticket {third}").is_checked()
    inspect(page, "desk-changed")
    page.get_by_role("button", name="Got it").click()
    page.get_by_role("heading", name="Changed since you looked").wait_for(state="detached")


def test_what_goes_back_soon_and_what_went_back_is_told(
    visit: Visit, people: People, container: Any, engine: Engine, queue: RedisTicketQueue
) -> None:
    root, ann = people("root", "admin"), people("ann")
    lay(container, 15)
    container.assignments.fetch(ann)
    held = [ticket.id for ticket in container.assignments.held(ann).tickets]
    container.lifecycle.start(ann, held[0])
    let_pass(engine, LIMIT.limit_s - LIMIT.warning_s + 1)
    PostgresHoldLimit(engine).apply(LIMIT, agent_id=ann)
    page = visit("ann")
    page.get_by_text("Goes back soon").first.wait_for()
    assert page.get_by_text("Goes back soon").count() == 14
    inspect(page, "desk-warned")
    container.lifecycle.return_one(held[0], actor_id=root, reason=LONG)
    assert lose_untouched(engine, queue) > 0
    page.get_by_text("you had not begun it in time").first.wait_for()
    inspect(page, "desk-all-gone")
    page.get_by_role("button", name=f"Resolve ticket {held[1]}", exact=True).click()
    page.get_by_text(f"Ticket {held[1]} is resolved.").wait_for()


def arrive(there: Any) -> None:
    """Wait until the page is there, and its scripts have run: before that, keys mean nothing."""
    there.wait_for()
    there.page.wait_for_load_state()


def test_the_desk_by_keyboard_alone(visit: Visit, people: People, container: Any) -> None:
    ann = people("ann", capacity=3)
    lay(container, 4)
    page = visit("ann")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keyboard shortcuts").wait_for()
    inspect(page, "keys")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Keyboard shortcuts").wait_for(state="hidden")
    page.keyboard.press("g")
    arrive(page.get_by_text("3 new tickets for you."))
    first, second, third = shown(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('[data-row]').dataset.row") == str(second)
    page.keyboard.press("s")
    arrive(page.get_by_text(f"Ticket {second} is started."))
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    arrive(page.get_by_role("heading", name="What it says"))
    page.keyboard.press("$")
    arrive(page.get_by_role("heading", name="Sell 1 ticket"))
    page.locator("input:focus").wait_for()
    page.keyboard.type("Kim")
    page.keyboard.press("Tab")
    page.keyboard.type("kim@example.com")
    page.keyboard.press("Enter")
    arrive(page.get_by_text(f"Ticket {first} is sold to Kim."))
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_text("1 selected").wait_for()
    page.keyboard.press("b")
    arrive(page.get_by_role("heading", name="Give back 1 ticket"))
    page.locator("textarea:focus").wait_for()
    page.keyboard.type("g j ? x")  # typed into the reason, and nothing else
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text(f"Ticket {second} is given back.").wait_for()
    assert [ticket.id for ticket in container.assignments.held(ann).tickets] == [third]


def test_shortcuts_can_be_turned_off(visit: Visit, people: People, container: Any) -> None:
    people("ann")
    lay(container, 1)
    page = visit("ann")
    page.keyboard.press("?")
    page.get_by_label("Use these shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.reload()
    page.get_by_text("Your hand is empty").wait_for()
    assert shown(page) == []


def test_two_agents_fetch_at_once_in_two_browsers(visit: Visit, people: People, container: Any) -> None:
    ann, bob = people("ann"), people("bob")
    lay(container, 20)
    first, second = visit("ann"), visit("bob")
    for page in (first, second):
        page.evaluate("setTimeout(() => document.querySelector('[data-key-act=fetch]').click(), 200)")
    for page in (first, second):
        page.get_by_text(re.compile("new tickets for you")).wait_for()
    hands = [{ticket.id for ticket in container.assignments.held(agent).tickets} for agent in (ann, bob)]
    assert [set(shown(first)), set(shown(second))] == hands
    assert not hands[0] & hands[1]
    assert len(hands[0] | hands[1]) == 20


def test_a_double_click_fetches_once(visit: Visit, people: People, container: Any) -> None:
    lay(container, 15)
    for username, scripts in (("ann", True), ("bob", False)):
        agent = people(username, capacity=5)
        page = visit(username, scripts=scripts)
        page.get_by_role("button", name="Get tickets").dblclick()
        # The second try finds the first one's answer, or it still at work; its own fetch would say the hand is full.
        page.get_by_text(re.compile("5 new tickets for you|you asked twice")).wait_for()
        assert page.get_by_text("Your hand is full:").count() == 0
        assert container.assignments.held(agent).held == 5


def test_the_desk_works_without_scripts(visit: Visit, people: People, container: Any) -> None:
    people("ann")
    lay(container, 3)
    page = visit("ann", scripts=False, size="narrow")
    page.get_by_role("button", name="Get tickets").click()
    page.get_by_text("3 new tickets for you.").wait_for()
    first, second, third = shown(page)
    page.get_by_role("button", name=f"Start ticket {first}").click()
    page.get_by_text(f"Ticket {first} is started.").wait_for()
    page.get_by_label(f"Select ticket {second}").check()
    page.get_by_label(f"Select ticket {third}").check()
    page.get_by_role("button", name="Give back…", exact=True).click()
    page.get_by_label("Reason").fill("Not mine")
    page.get_by_role("button", name="Give back").click()
    page.get_by_text("2 tickets are given back.").wait_for()
    page.get_by_role("button", name=f"Sell… ticket {first}").click()
    page.get_by_label("Customer's name").fill("Kim")
    page.get_by_label("Customer's email").fill("kim@example.com")
    page.get_by_role("button", name="Sell").click()
    page.get_by_text(f"Ticket {first} is sold to Kim.").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()


def test_a_session_that_ends_leads_to_the_sign_in_and_back(visit: Visit, people: People, container: Any) -> None:
    ann = people("ann")
    page = visit("ann")
    container.sessions.revoke_all(ann)
    page.get_by_role("button", name="Get tickets").click()
    page.get_by_text("You have been signed out").wait_for()
    inspect(page, "sign-in-ended")
    sign_in(page, "ann")
    page.get_by_role("heading", name="My desk").wait_for()


def test_a_lost_connection_is_told_until_it_is_back(visit: Visit, people: People, container: Any) -> None:
    people("ann")
    page = visit("ann")
    page.context.set_offline(True)
    page.get_by_role("button", name="Get tickets").click()
    page.get_by_text("No connection to the service.").wait_for()
    page.context.set_offline(False)
    page.get_by_text("No connection to the service.").wait_for(state="hidden")
    visit.complaints.clear()  # type: ignore[attr-defined]  # the browser complained, rightly


def test_after_the_last_key_the_focus_is_on_the_next_ticket(visit: Visit, people: People, container: Any) -> None:
    ann = people("ann")
    lay(container, 3)
    container.assignments.fetch(ann)
    page = visit("ann")
    first, second, _ = shown(page)
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.get_by_text(f"Ticket {first} is started.").wait_for()
    page.keyboard.press("s")
    page.get_by_text(f"Ticket {first} is resolved.").wait_for()
    page.wait_for_function(f"document.activeElement.closest('[data-row]')?.dataset.row === '{second}'")
