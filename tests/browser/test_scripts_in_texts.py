"""Texts that try to be scripts, in every field that takes a text: shown as they are, and nothing runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.domain.model import Priority
from service.usecases.ports.people import UserChanges
from service.usecases.ports.tickets import TicketChanges, TicketDraft
from tests.browser.looking import Visit

EVIL = (
    "<script>window.caught=1</script><img src=x onerror='window.caught=2'><svg onload=window.caught=3>"
    '"\'><a href="javascript:window.caught=4" hx-get=/app/account hx-trigger=load>x</a>{{7*7}}'
)
"""185 characters of the usual kinds; the link would also have htmx load something."""


def test_nothing_that_people_write_runs(visit: Visit, people: Callable[..., int], container: Any) -> None:
    root, ann = people("root", "admin"), people("ann")
    container.users.update(ann, UserChanges(first_name=EVIL[:60], last_name=EVIL[:60]), actor_id=None)
    drafts = [TicketDraft(subject=EVIL, description=EVIL * 3), TicketDraft(subject=EVIL), TicketDraft(subject=EVIL)]
    first, second, third = container.tickets.create_many(drafts, actor_id=None)
    page = visit()
    page.get_by_label("Username").fill(EVIL)
    page.get_by_label("Password").fill(EVIL)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The username or the password is wrong.").wait_for()
    assert_caught_nothing(page)
    assert page.get_by_label("Username").input_value() == EVIL
    page = visit("ann")
    page.get_by_role("button", name="Get tickets").click()
    page.get_by_role("link", name=EVIL).first.wait_for()
    assert_caught_nothing(page)
    container.lifecycle.return_one(second.id, actor_id=root, reason=EVIL)
    container.tickets.update(third.id, TicketChanges(subject="Quiet now", priority=Priority.HIGH), actor_id=root)
    page.get_by_role("heading", name="Changed since you looked").wait_for()
    assert_caught_nothing(page)
    page.get_by_role("link", name=EVIL).first.click()
    page.get_by_label("Add a note").fill(EVIL)
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("Your note is kept.").wait_for()
    assert page.locator(".history-note").last.text_content() == EVIL
    assert_caught_nothing(page)
    page.goto(f"/app/desk/release?ticket={third.id}")
    page.get_by_label("Reason").fill(EVIL)
    page.get_by_role("button", name="Give back").click()
    page.get_by_text(f"Ticket {third.id} is given back.").wait_for()
    assert_caught_nothing(page)
    page.goto(f"/app/desk/sell?ticket={first.id}")
    page.get_by_label("Customer's name").fill(EVIL)
    page.get_by_label("Customer's email").fill(EVIL)
    page.get_by_role("button", name="Sell").click()
    page.get_by_text("must look like name@example.com").wait_for()
    assert_caught_nothing(page)
    page.get_by_label("Customer's email").fill("kim@example.com")
    page.get_by_role("button", name="Sell").click()
    page.get_by_text(f"Ticket {first.id} is sold to").wait_for()
    assert_caught_nothing(page)
    page.goto("/app/account")
    page.get_by_role("heading", name="New password").wait_for()
    assert_caught_nothing(page)
    page.goto("/app/sign-in?next=" + "javascript:window.caught=5")
    assert_caught_nothing(page)
    page.goto("/app/<script>window.caught=6</script>")
    page.get_by_role("heading", name="There is no such page").wait_for()
    assert_caught_nothing(page)


def assert_caught_nothing(page: Any) -> None:
    assert page.evaluate("window.caught") is None
    assert page.locator("main script, main img, main [onerror], main [onload]").count() == 0
    assert page.locator("main a[href^='javascript:']").count() == 0
    assert page.locator("[hx-trigger=load]").count() == 0
