"""Mails and preferences over HTTP, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.usecases.ports.mails import OutcomeUnknown
from tests.fakes.mail import MemoryCarrier
from tests.integration.mails.mailing import give_address, let_history_settle, mailing


def test_a_mail_whose_fate_is_unknown_is_found_and_sent_again(
    admin: FlaskClient, ann: Any, engine: Engine, make_tickets: Callable[..., list[int]]
) -> None:
    ids, carrier = make_tickets(3), MemoryCarrier()
    give_address(engine, ann.user_id)
    ann.post("/api/tickets/fetch")
    let_history_settle(engine)
    carrier.fates["ann@example.com"] = [OutcomeUnknown("fell silent")]
    mailing(engine, carrier).run()

    [found] = admin.get("/api/mails?state=unknown").json["items"]
    assert (found["user_id"], found["kind"], found["ticket_ids"]) == (ann.user_id, "fetched", ids)
    assert (found["sent_to"], found["last_error"], found["attempts"]) == ("ann@example.com", "fell silent", 1)
    assert admin.post(f"/api/mails/{found['id']}/redeliver").json["state"] == "waiting"
    mailing(engine, carrier).run()
    sent = admin.get(f"/api/mails/{found['id']}").json
    assert (sent["state"], sent["attempts"], sent["message_id"]) == ("sent", 2, found["message_id"])
    assert admin.post(f"/api/mails/{found['id']}/redeliver").status_code == 409
    assert admin.get("/api/mails/99").status_code == 404
    assert ann.get("/api/mails").status_code == 403


def test_what_somebody_turned_off_stays_off(
    admin: FlaskClient, ann: Any, engine: Engine, make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(1)
    give_address(engine, ann.user_id)
    assert set(ann.get("/api/me/notifications").json.values()) == {True}
    assert ann.put("/api/me/notifications", json={"fetched": False}).json["fetched"] is False
    assert admin.get(f"/api/users/{ann.user_id}/notifications").json["fetched"] is False
    ann.post("/api/tickets/fetch")
    let_history_settle(engine)
    mailing(engine, MemoryCarrier()).run()
    assert admin.get("/api/mails").json["items"] == []
    assert admin.put(f"/api/users/{ann.user_id}/notifications", json={}).json["fetched"] is True
    assert admin.get("/api/users/9999/notifications").status_code == 404
    assert admin.put("/api/users/9999/notifications", json={}).status_code == 404


def test_the_metrics_show_mails(ann: Any, engine: Engine, make_tickets: Callable[..., list[int]]) -> None:
    make_tickets(1)
    give_address(engine, ann.user_id)
    ann.post("/api/tickets/fetch")
    let_history_settle(engine)
    mailing(engine, MemoryCarrier()).run()
    shown = ann.get("/metrics").get_data(as_text=True)
    assert 'fairdeal_mails{state="sent"} 1.0' in shown
    assert 'fairdeal_mails{state="unknown"} 0.0' in shown
    assert "fairdeal_oldest_unsent_mail_seconds 0.0" in shown
