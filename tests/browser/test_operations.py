"""An operator's day in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from redis import Redis
from sqlalchemy import Engine, text

from service.config import Settings
from service.ticket_queue.keys import Keys
from tests.browser.long_run import lay_failures, lay_quarter
from tests.browser.looking import PATIENCE_MS, Visit, inspect

People = Callable[..., int]
CHARTS = 7


def drawn(page: Any) -> None:
    """Wait until every chart is drawn."""
    page.wait_for_function(f"document.querySelectorAll('.chart-plot canvas').length === {CHARTS}", timeout=PATIENCE_MS)


def told(page: Any, name: str) -> tuple[str, list[str]]:
    """Read what a chart says below itself: the time, and its values."""
    figure = page.locator(f"#chart-{name}")
    return figure.locator("[data-chart-time]").inner_text(), figure.locator("[data-line]").all_inner_texts()


def test_a_fresh_service(visit: Visit, people: People) -> None:
    people("olga", "operator")
    page = visit("olga")
    page.get_by_text("No figures yet").wait_for()
    inspect(page, "operations-fresh")
    page.get_by_role("link", name="Background jobs").click()
    page.get_by_text("No worker is running").wait_for()
    inspect(page, "operations-jobs-fresh")


def test_an_operators_journey(visit: Visit, people: People, engine: Engine, settings: Settings, container: Any) -> None:
    people("olga", "operator")
    lay_quarter(engine)
    lay_failures(settings, 2)
    page = visit("olga")
    drawn(page)
    inspect(page, "operations")
    page.get_by_role("link", name="7 days").click()
    drawn(page)
    inspect(page, "operations-week")
    page.get_by_role("link", name="As a table: Drift found").click()
    page.get_by_role("heading", name="Drift found").wait_for()
    inspect(page, "operations-table")
    page.get_by_role("link", name="Operations", exact=True).first.click()
    page.get_by_role("link", name="Run…").click()
    page.get_by_text("It compares").wait_for()
    inspect(page, "operations-run")
    page.get_by_role("button", name="Run and repair").click()
    page.get_by_text("a run, waits for a worker").wait_for()
    inspect(page, "operations-runs")
    page.get_by_role("link", name="Operations", exact=True).first.click()
    page.get_by_role("link", name="Background jobs").click()
    page.get_by_text("The whole error").first.click()
    inspect(page, "operations-jobs")
    page.get_by_role("button", name="Start again").first.click()
    page.get_by_text("The job waits for a worker again.").wait_for()
    page.get_by_role("link", name="Remove…").click()
    page.get_by_text("Remove this failed job?").wait_for()
    inspect(page, "operations-job-remove")
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("No job has failed").wait_for()


def test_charts_are_read_by_mouse_and_by_keyboard(visit: Visit, people: People, engine: Engine) -> None:
    people("olga", "operator")
    lay_quarter(engine)
    page = visit("olga")
    drawn(page)
    time, newest = told(page, "waiting")
    assert time == "Newest"
    assert len(newest) == 3
    page.locator("#plot-waiting .u-over").hover()
    page.wait_for_function("document.querySelector('#chart-waiting [data-chart-time]').textContent !== 'Newest'")
    assert told(page, "waiting")[1] != newest
    page.mouse.move(0, 0)
    page.locator("#plot-waiting").focus()
    page.keyboard.press("Home")
    data = json.loads(page.locator("#plot-waiting").get_attribute("data-chart"))
    first = [line["values"][0] for line in data["series"]]
    page.wait_for_function(
        "first => [...document.querySelectorAll('#chart-waiting [data-line]')]"
        ".every((told, n) => Number(told.textContent) === Math.round(first[n]))",
        arg=first,
    )
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#chart-waiting [data-chart-time]').textContent !== 'Newest'")


def test_figures_come_by_themselves(visit: Visit, people: People, container: Any, engine: Engine) -> None:
    people("olga", "operator")
    lay_quarter(engine)
    page = visit("olga")
    drawn(page)
    page.get_by_text("10,000 tickets").wait_for()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tickets (subject, priority) VALUES ('One more', 'high')"))
    page.get_by_text("10,001 tickets").wait_for()
    drawn(page)


def test_the_banner_comes_and_goes_on_an_open_desk(
    visit: Visit, people: People, redis_client: Redis, keys: Keys
) -> None:
    people("ann")
    people("olga", "operator")
    desk, page = visit("ann"), visit("olga")
    redis_client.delete(keys.generation)
    for each in (desk, page):
        each.get_by_text("the queue is being built anew").wait_for()
    inspect(page, "operations-degraded")
    redis_client.set(keys.generation, "1")
    for each in (desk, page):
        each.locator("#degraded").wait_for(state="hidden")


def test_without_scripts_the_figures_are_there(visit: Visit, people: People, engine: Engine) -> None:
    people("olga", "operator")
    lay_quarter(engine)
    page = visit("olga", scripts=False)
    page.get_by_text("10,000 tickets").wait_for()
    page.get_by_role("link", name="As a table: Waiting tickets").click()
    assert page.locator("tbody tr").count() == 60


def test_everything_is_reached_by_keyboard(visit: Visit, people: People, engine: Engine) -> None:
    people("olga", "operator")
    lay_quarter(engine)
    page = visit("olga")
    drawn(page)
    seen: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("(document.activeElement.id || document.activeElement.innerText || '').trim()"))
    assert {"Dry run", "Run…", "plot-waiting", "plot-repaired", "24 hours", "Reconciliations"} <= seen
