"""One's own account on the page: mails, and being signed in elsewhere. Passwords: see `test_sign_in.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.dashboard.views.account import MAIL_WORDS
from service.domain.model import Role
from service.domain.notices import NoticeKind
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]


def test_agents_choose_their_mails_as_the_api_knows_them(visitor: Visit, ann: int, container: Any) -> None:
    seen = visitor("ann").get("/app/account")
    ticked = [value for name, value in seen.form("/app/account/mails").fields if name == "mail"]
    assert ticked == list(NoticeKind)
    seen.send("/app/account/mails", mail=[NoticeKind.ASSIGNED, NoticeKind.TAKEN_AWAY])
    assert "Your choice of mails is kept." in seen.text
    wanted = {NoticeKind.ASSIGNED, NoticeKind.TAKEN_AWAY}
    assert container.notification_preferences.get(ann) == {kind: kind in wanted for kind in NoticeKind}
    ticked = [value for name, value in seen.form("/app/account/mails").fields if name == "mail"]
    assert set(ticked) == wanted
    seen.send("/app/account/mails", mail=[])
    assert not any(container.notification_preferences.get(ann).values())


def test_every_kind_of_mail_is_worded() -> None:
    assert set(MAIL_WORDS) == set(NoticeKind)


def test_agents_without_an_address_are_told_that_nothing_is_sent(visitor: Visit, ann: int) -> None:
    assert "You have no email address here" in visitor("ann").get("/app/account").text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OPERATOR])
def test_those_who_get_no_mails_are_not_asked_about_them(
    visitor: Visit, person: Callable[..., int], role: Role
) -> None:
    person("zoe", role)
    seen = visitor("zoe").get("/app/account")
    assert (seen.status, "Write to me about" in seen.text) == (200, False)


def test_other_sign_ins_are_ended_and_this_one_goes_on(visitor: Visit, ann: int) -> None:
    seen, elsewhere = visitor("ann"), visitor("ann")
    assert "1 other sign-in ended" in seen.get("/app/account").send("/app/account/elsewhere").text
    assert elsewhere.get("/app/desk").path.startswith("/app/sign-in")
    assert "nowhere else" in seen.send("/app/account/elsewhere").text
