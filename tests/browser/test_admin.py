"""An admin's day in a browser: tickets, agents, people and files, with scripts, without, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.domain.model import Level, Priority
from service.usecases.ports.people import CustomerDraft
from service.usecases.ports.tickets import Buyer, TicketDraft
from tests.browser.looking import PASSWORD, Visit, inspect

People = Callable[..., int]

LONG = (
    "Customer in Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch was charged three times for one order and "
    "cannot reach anybody: Rindfleischetikettierungsüberwachungsaufgabenübertragung"
)
SUBJECTS = ("Where is order F-104000?", LONG, "Pico printer arrived damaged", "Wrong colour: Nimbus router")


def lay(container: Any, count: int) -> list[int]:
    """Create tickets of all sorts and return their ids."""
    drafts = [
        TicketDraft(subject=SUBJECTS[n % 4], description=f"About {n}.\n\n{LONG}", priority=list(Priority)[n % 3])
        for n in range(count)
    ]
    return [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]


def test_an_admins_journey_with_tickets(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    ann = people("ann")
    page = visit("root")
    page.get_by_text("There are no tickets yet").wait_for()
    inspect(page, "admin-tickets-none")
    page.get_by_role("link", name="New ticket").first.click()
    page.get_by_role("button", name="Create the ticket").click()
    page.get_by_text("Subject must not be empty.").wait_for()
    assert page.evaluate("document.activeElement.id") == "subject"
    inspect(page, "admin-ticket-form-wrong")
    page.get_by_label("Subject").fill(LONG)
    page.get_by_label("Description").fill("Two\nlines")
    page.get_by_label("Priority").select_option("high")
    page.get_by_role("button", name="Create the ticket").click()
    page.get_by_text("it waits in the queue.").wait_for()
    first = int(page.url.rpartition("/")[2])
    ids = lay(container, 60)
    page.get_by_role("link", name="Assign…").click()
    page.get_by_role("heading", name="Assign 1 ticket").wait_for()
    page.get_by_label("Agent").select_option("ann")
    page.get_by_role("button", name="Assign").click()
    page.get_by_text(f"Ticket {first} is assigned to ann.").wait_for()
    page.get_by_label("Add a note").fill("Looked into it")
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("Your note is kept.").wait_for()
    inspect(page, "admin-ticket")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Priority").select_option("low")
    page.get_by_role("button", name="Save").click()
    page.get_by_text(f"Ticket {first} is changed.").wait_for()

    page.get_by_role("link", name="Tickets", exact=True).first.click()
    page.get_by_text("61 tickets, 50 on this page").wait_for()
    inspect(page, "admin-tickets")
    page.get_by_label("Select all tickets of this page").check()
    page.get_by_text("50 selected").wait_for()
    page.get_by_label("Select all tickets of this page").uncheck()
    for ticket_id in ids[-3:]:
        page.get_by_label(f"Select ticket {ticket_id}", exact=True).check()
    page.get_by_text("3 selected").wait_for()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("heading", name="Delete 3 tickets").wait_for()
    page.get_by_text("3 tickets leave the queue.").wait_for()
    inspect(page, "admin-delete")
    page.get_by_role("button", name="Delete 3 tickets").click()
    page.get_by_text("3 tickets are deleted.").wait_for()
    page.get_by_role("link", name="Next page").click()
    page.get_by_text("58 tickets, 8 on this page").wait_for()

    page.get_by_text("Filters and order").click()
    page.get_by_label("Assigned", exact=True).check()
    page.get_by_label("Agent", exact=True).fill("ann")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("1 ticket", exact=True).wait_for()
    inspect(page, "admin-tickets-filtered")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert str(first) in Path(download.value.path()).read_text()
    assert container.assignments.held(ann).held == 1


def test_an_admins_journey_with_agents(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    ann, bob = people("ann"), people("bob", level=Level.JUNIOR, capacity=4)
    lay(container, 30)
    container.assignments.fetch(ann, limit=6)
    container.lifecycle.start(ann, container.assignments.held(ann).tickets[0].id)
    page = visit("root")
    page.get_by_role("link", name="Agents").click()
    page.get_by_text("6 of 15").wait_for()
    inspect(page, "admin-agents")
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Username").fill("carl")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password again").fill("other")
    page.get_by_role("button", name="Create the agent").click()
    page.get_by_text("is not the same as the password").wait_for()
    inspect(page, "admin-agent-form-wrong")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_role("button", name="Create the agent").click()
    page.get_by_text("Agent carl is created").wait_for()
    page.get_by_role("link", name="Agents").first.click()
    page.get_by_role("link", name="ann", exact=True).click()
    page.get_by_text("6 of 15 in hand").wait_for()
    inspect(page, "admin-agent")
    page.get_by_role("link", name="Reassign all…").click()
    page.get_by_label("To agent").select_option("bob")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("4 tickets go to bob").wait_for()
    inspect(page, "admin-reassign-preview")
    assert container.assignments.held(bob).held == 0
    page.get_by_role("button", name="Reassign 4 tickets").click()
    page.get_by_text("4 tickets are given to bob.").wait_for()
    page.get_by_role("link", name="Return all…").click()
    inspect(page, "admin-return")
    page.get_by_role("button", name="Return 2 tickets").click()
    page.get_by_text("2 tickets went back to the queue.").wait_for()
    page.get_by_role("button", name="Set away").click()
    page.get_by_text("ann is away now.").wait_for()
    page.get_by_role("link", name="Deactivate…").click()
    inspect(page, "admin-deactivate")
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_text("ann is deactivated now.").wait_for()
    assert not container.users.get(ann).is_active


def test_an_admins_journey_with_a_file(visit: Visit, people: People, container: Any, tmp_path: Path) -> None:
    people("root", "admin")
    file = tmp_path / "tickets.csv"
    rows = [f"{SUBJECTS[0]} {n},{'urgent' if n % 400 == 7 else 'low'}" for n in range(1500)]
    file.write_text("\n".join(["subject,priority", *rows]) + "\n")
    page = visit("root")
    page.get_by_role("link", name="Import").first.click()
    inspect(page, "admin-import")
    page.get_by_label("File").set_input_files(str(file))
    page.get_by_role("button", name="Import").click()
    page.get_by_text("It waits for a worker.").wait_for()
    inspect(page, "admin-import-waiting")
    container.imports.run(int(page.url.rpartition("/")[2]))
    page.get_by_text("All 1,501 lines dealt with.").wait_for()  # the page looks again by itself
    page.get_by_text("must be high, medium or low").first.wait_for()
    inspect(page, "admin-import-done")


def test_an_admins_journey_with_people(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    ann = people("ann")
    lay(container, 3)
    container.assignments.fetch(ann)
    sold = container.assignments.held(ann).tickets[0].id
    container.lifecycle.sell(ann, sold, Buyer(name="Kim " * 20, email="kim@example.com"))
    page = visit("root")
    page.get_by_role("link", name="Users").click()
    inspect(page, "admin-users")
    page.get_by_role("link", name="ann", exact=True).click()
    inspect(page, "admin-user")
    for link, heading in (
        ("New password…", "New password for ann"),
        ("Role…", "Role of ann"),
        ("Delete…", "Delete ann"),
    ):
        page.goto(f"/app/users/{ann}")
        page.get_by_role("link", name=link).click()
        page.get_by_role("heading", name=heading).wait_for()
        inspect(page, f"admin-user-{heading.split()[0].lower()}")
    page.get_by_role("button", name="Delete ann").click()
    page.get_by_text("ann is deleted.").wait_for()
    page.get_by_role("link", name="Customers").click()
    inspect(page, "admin-customers")
    page.get_by_role("link", name="Kim").click()
    page.get_by_role("heading", name="Sold to them").wait_for()
    inspect(page, "admin-customer")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_text("cannot be deleted").wait_for()
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Email").fill("kim")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("must look like name@example.com").wait_for()
    inspect(page, "admin-customer-form-wrong")


def test_lists_of_ten_thousand(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    for start in range(0, 10_001, 1_000):
        drafts = [TicketDraft(subject=f"{SUBJECTS[n % 4]} {n}") for n in range(start, min(start + 1_000, 10_001))]
        container.tickets.create_many(drafts, actor_id=None)
    page = visit("root")
    page.get_by_text("10,000 tickets or more, 50 on this page").wait_for()
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="First page").wait_for()
    inspect(page, "admin-tickets-10000")
    page.get_by_label("Search subject and description").fill("Nimbus router 7")
    page.get_by_label("Search subject and description").press("Enter")
    page.get_by_text("Nimbus router 7", exact=False).first.wait_for()


def test_all_of_it_works_without_scripts(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    ann = people("ann")
    ids = lay(container, 2)
    page = visit("root", scripts=False)
    page.get_by_label(f"Select ticket {ids[0]}", exact=True).check()
    page.get_by_role("button", name="Assign…").click()
    page.get_by_label("Agent").select_option("ann")
    page.get_by_role("button", name="Assign").click()
    page.get_by_text(f"Ticket {ids[0]} is assigned to ann.").wait_for()
    page.get_by_role("link", name="ann", exact=True).click()
    page.get_by_role("link", name="Return all…").click()
    page.get_by_role("button", name="Return 1 ticket").click()
    page.get_by_text("1 ticket went back to the queue.").wait_for()
    page.goto("/app/customers/new")
    page.get_by_label("Name").fill("Kim")
    page.get_by_role("button", name="Create the customer").click()
    page.get_by_text("must look like name@example.com").wait_for()
    assert page.get_by_label("Name").input_value() == "Kim"
    assert container.agents.get(ann).held == 0


def test_a_ticket_is_deleted_by_keyboard_alone(visit: Visit, people: People, container: Any) -> None:
    people("root", "admin")
    container.customers.create(CustomerDraft(name="Kim", email="kim@example.com"))
    (ticket_id,) = lay(container, 1)
    page = visit("root")
    _tab_to(page, f"[value='{ticket_id}']")
    page.keyboard.press("Space")
    _tab_to(page, "button[value=delete]", back=True)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Delete 1 ticket").wait_for()
    _tab_to(page, "button.danger")
    page.keyboard.press("Enter")
    page.get_by_text(f"Ticket {ticket_id} is deleted.").wait_for()


def _tab_to(page: Any, selector: str, *, back: bool = False) -> None:
    """Press Tab until the element has the focus, which must be seen."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{selector} is not reached by keyboard")
