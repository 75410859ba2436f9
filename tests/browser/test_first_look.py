from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.looking import Visit, inspect


def test_the_sign_in_of_a_fresh_install_says_how(visit: Visit, people: Callable[..., int]) -> None:
    page = visit()
    page.get_by_text("First time here?").wait_for()
    inspect(page, "sign-in-fresh")


def test_an_empty_desk(visit: Visit, people: Callable[..., int]) -> None:
    people("ann")
    page: Any = visit("ann")
    page.get_by_text("Your hand is empty").wait_for()
    inspect(page, "desk-empty")
