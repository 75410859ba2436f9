"""The page in a real browser: a real port, the Chromium of this machine, skipped where there is none."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server

from service.api.app import create_app
from service.dashboard import pages
from service.domain.model import Level, Role
from service.usecases.ports.people import AgentDraft, UserDraft
from tests.browser.looking import PASSWORD, PATIENCE_MS, SIZES, Visit, sign_in

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start the browser of this machine."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on PATH ({', '.join(BROWSERS)}): apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture
def site(container: Any) -> Iterator[str]:
    """Serve API and page on a port of their own."""
    app = create_app(container)
    pages.install(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(30)
    server.server_close()


@pytest.fixture
def people(container: Any) -> Callable[..., int]:
    """Create somebody who can sign in, and return the id."""

    def make(username: str, role: str = "agent", *, level: Level = Level.SENIOR, capacity: int = 15) -> int:
        if role == Role.AGENT:
            draft = AgentDraft(username=username, password=PASSWORD, level=level, capacity=capacity)
            return int(container.agents.create(draft).id)
        return int(container.users.create(UserDraft(username=username, password=PASSWORD, role=Role(role))).id)

    return make


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Visit]:
    """Open the page in a browser of one's own, signed in as `username`; complaints of the browser fail the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def opened(username: str | None = None, *, size: str = "wide", theme: str = "light", scripts: bool = True) -> Any:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, java_script_enabled=scripts, base_url=site
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        if username is not None:
            sign_in(page, username)
        return page

    opened.complaints = complaints  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()
    # The browser itself reports each answer of 4xx; those are the test's own business.
    left = [said for said in complaints if not said.startswith("Failed to load resource")]
    assert left == []
