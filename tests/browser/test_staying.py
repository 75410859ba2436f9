"""What one was doing stays: open lists tell what changed, and forms outlive the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.errors import StoreUnavailable
from service.usecases import sweep
from service.usecases.ports.tickets import TicketChanges, TicketDraft
from tests.browser.looking import PASSWORD, Visit, inspect, sign_in

People = Callable[..., int]


def lay(container: Any, count: int) -> list[int]:
    """Create tickets and return their ids."""
    drafts = [TicketDraft(subject=f"Printer {n} is on fire") for n in range(1, count + 1)]
    return [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]


def look_now(page: Any) -> None:
    """Have an open list ask at once, instead of after its pause."""
    page.evaluate("htmx.trigger(document.querySelector('[data-poll-s]'), 'poll')")


def test_an_open_list_tells_what_changed_and_keeps_ticks_place_and_typed_words(
    visit: Visit, people: People, container: Any
) -> None:
    root = people("root", "admin")
    first, second, third = lay(container, 3)
    page = visit("root")
    page.get_by_label(f"Select ticket {first}").check()
    page.get_by_label("Search subject and description").fill("half a wo")
    container.tickets.update(second, TicketChanges(subject="Reworded by somebody"), actor_id=root)
    container.tickets.delete(third, actor_id=root)
    look_now(page)
    page.get_by_text("2 tickets changed since you looked.").wait_for()
    assert page.get_by_text("Reworded by somebody").count() == 0
    assert page.get_by_label(f"Select ticket {third}").count() == 1
    inspect(page, "admin-tickets-news")
    page.get_by_role("link", name="Show", exact=True).press("Enter")
    page.get_by_text("Reworded by somebody").wait_for()
    assert page.get_by_label(f"Select ticket {third}").count() == 0
    page.locator("#list:focus").wait_for()
    assert page.get_by_label(f"Select ticket {first}").is_checked()
    page.get_by_text("1 selected").wait_for()
    assert page.get_by_label("Search subject and description").input_value() == "half a wo"
    assert page.get_by_text("since you looked").count() == 0


def test_all_that_match_are_done_part_by_part_without_a_hand(
    visit: Visit, people: People, container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PART", 25)
    people("root", "admin")
    lay(container, 60)
    page = visit("root")
    page.get_by_label("all 60 tickets that match").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("heading", name="Delete all 60 tickets that match").wait_for()
    inspect(page, "admin-delete-all")
    page.get_by_role("button", name="Delete 60 tickets").click()
    page.get_by_text("60 tickets are deleted.").wait_for()
    page.get_by_text("There are no tickets yet").wait_for()


def test_what_was_typed_outlives_the_session(visit: Visit, people: People, container: Any) -> None:
    root = people("root", "admin")
    page = visit("root")
    page.get_by_role("link", name="New ticket").first.click()
    page.get_by_label("Subject").fill("Typed with care")
    page.get_by_label("Description").fill("Line 1\nline 2")
    container.sessions.revoke_all(root)
    page.get_by_role("button", name="Create the ticket").click()
    page.get_by_text("was not carried out").wait_for()
    inspect(page, "sign-in-again")
    assert page.evaluate("document.activeElement.id") == "username"
    sign_in(page, "root")
    page.get_by_role("heading", name="New ticket, not sent yet").wait_for()
    assert page.get_by_label("Description").input_value() == "Line 1\nline 2"
    inspect(page, "typed")
    page.get_by_role("button", name="Send it now").click()
    page.get_by_text("it waits in the queue.").wait_for()
    page.get_by_role("heading", name="Typed with care").wait_for()


def test_what_was_typed_outlives_a_database_that_is_away(
    visit: Visit, people: People, container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people("root", "admin")
    page = visit("root")
    page.get_by_role("link", name="New ticket").first.click()
    page.get_by_label("Subject").fill("Typed with care")

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("PostgreSQL does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(container.tickets, "create", fail)
        page.get_by_role("button", name="Create the ticket").click()
        page.get_by_text("What you typed is still here").wait_for()
    assert page.get_by_label("Subject").input_value() == "Typed with care"
    page.get_by_role("button", name="Create the ticket").click()
    page.get_by_text("it waits in the queue.").wait_for()
    assert not page.get_by_text("What you typed is still here").is_visible()


def test_an_agent_keeps_their_account(visit: Visit, people: People, container: Any) -> None:
    people("ann")
    container.sessions.login("ann", PASSWORD)
    page = visit("ann")
    page.get_by_role("link", name="Account").click()
    page.get_by_label("Tickets I fetched").uncheck()
    page.get_by_role("button", name="Keep this choice").click()
    page.get_by_text("Your choice of mails is kept.").wait_for()
    assert not page.get_by_label("Tickets I fetched").is_checked()
    page.get_by_role("button", name="End my other sign-ins").click()
    page.get_by_text("1 other sign-in ended").wait_for()
    inspect(page, "account")
