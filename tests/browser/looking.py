"""What the tests of this directory do with a page: sign in, look at it, have it checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

PASSWORD = "Correct-horse-7"
SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"
AXE = Path(__file__).parent / "axe" / "axe-4.14.1.min.js"
SIZES = {"wide": (1920, 1080), "narrow": (360, 740)}
LOOKS = {"wide": ("light", "dark"), "narrow": ("dark", "light")}
"""The themes for each size: the first always, the second with `BROWSER_LOOKS=all`, which takes twice as long."""
IS_THOROUGH = os.environ.get("BROWSER_LOOKS") == "all"
PATIENCE_MS = 30_000

Visit = Callable[..., Any]


def sign_in(page: Any, username: str, password: str = PASSWORD) -> None:
    """Fill the sign-in form in and send it."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    page.wait_for_load_state()  # before its scripts have run, keys mean nothing


def inspect(page: Any, name: str) -> None:
    """Look at a page at both sizes and in both themes: keep screenshots, have axe check it; nothing may overflow."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in LOOKS[size][: 2 if IS_THOROUGH else 1]:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{theme}.png", full_page=True, animations="disabled")
            assert problems_of_access(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def problems_of_access(page: Any) -> list[str]:
    """List what axe finds against WCAG 2.2 A and AA, and its good practices, that is serious."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html']}"
        for one in found
        if one["impact"] in {"serious", "critical"} or any(re.match("wcag", tag) for tag in one["tags"])
        for node in one["nodes"]
    ]
