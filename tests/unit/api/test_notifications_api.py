from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from service.domain.errors import Conflict
from service.domain.notices import NoticeKind
from service.usecases.ports.mails import MailFilter, MailState
from service.usecases.ports.paging import PageRequest
from tests.unit.api.fakes import FakeServices

ALL_ON = {kind.value: True for kind in NoticeKind}


def test_people_read_and_choose_what_they_are_told(agent: FlaskClient, services: FakeServices) -> None:
    assert agent.get("/api/me/notifications").json == {**ALL_ON, "fetched": False}
    assert services.notification_preferences.last == ("get", (2,), {})
    assert agent.put("/api/me/notifications", json={"fetched": False}).status_code == 200
    chosen = {kind: kind is not NoticeKind.FETCHED for kind in NoticeKind}
    assert services.notification_preferences.last == ("replace", (2, chosen), {})


@pytest.mark.parametrize("body", [{"fetched": "no"}, {"fetched": None}, {"everything": False}, [], {"fetched": 0}])
def test_what_is_no_choice_is_refused(agent: FlaskClient, services: FakeServices, body: object) -> None:
    assert agent.put("/api/me/notifications", json=body).status_code == 400
    assert services.notification_preferences.calls == []


def test_admins_choose_for_others_and_agents_only_for_themselves(
    admin: FlaskClient, agent: FlaskClient, services: FakeServices
) -> None:
    assert admin.put("/api/users/7/notifications", json={}).status_code == 200
    assert services.notification_preferences.last == ("replace", (7, dict.fromkeys(NoticeKind, True)), {})
    assert agent.get("/api/users/2/notifications").status_code == 200
    assert agent.get("/api/users/7/notifications").status_code == 403


def test_admins_list_mails_by_state_kind_and_user(admin: FlaskClient, services: FakeServices) -> None:
    listed = admin.get("/api/mails?state=unknown,failed&kind=fetched&user_id=2&limit=5").json
    assert [mail["id"] for mail in listed["items"]] == [8]
    wanted = MailFilter(states=(MailState.UNKNOWN, MailState.FAILED), kinds=(NoticeKind.FETCHED,), user_id=2)
    assert services.mails.last == ("page", (wanted, PageRequest(limit=5, sort="-id")), {})
    assert admin.get("/api/mails?state=lost").status_code == 400


def test_a_mail_is_redelivered_or_it_is_said_why_not(admin: FlaskClient, services: FakeServices) -> None:
    assert admin.post("/api/mails/8/redeliver").json["state"] == "waiting"
    services.mails.results["redeliver"] = Conflict("Mail 8 is 'sent'", state="sent")
    refused = admin.post("/api/mails/8/redeliver")
    assert (refused.status_code, refused.json["state"]) == (409, "sent")
