from __future__ import annotations

import io
import json
import logging
import logging.config
import sys

import pytest
from flask.testing import FlaskClient

from service.observability import JsonFormatter, TextFormatter, logging_config, request_id
from tests.unit.api.fakes import FakeServices


@pytest.mark.parametrize("given", ["abc", "A-1_2.3", "x" * 128])
def test_a_sane_request_id_is_taken_over(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\u00e9", "<script>", "a;b"])
def test_any_other_is_replaced(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    made = client.get("/healthz", headers=headers).headers["X-Request-ID"]
    assert made != given
    assert len(made) == 32


def test_each_request_is_one_event_with_its_id(
    admin: FlaskClient, services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str | None] = []
    with caplog.at_level(logging.INFO):
        caplog.handler.addFilter(lambda _: seen.append(request_id.get()) or True)  # type: ignore[func-returns-value]
        admin.get("/api/tickets/7", headers={"X-Request-ID": "my-id"})
    (event,) = caplog.records
    assert event.message == "request"
    assert (event.method, event.route, event.status, event.user_id) == (  # type: ignore[attr-defined]
        "GET", "/api/tickets/<id:ticket_id>", 200, 1,
    )  # fmt: skip
    assert event.duration_ms >= 0  # type: ignore[attr-defined]
    assert seen == ["my-id"]
    assert request_id.get() is None


def test_a_fetch_is_one_event_that_says_what_it_dealt(agent: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        agent.post("/api/tickets/fetch")
    (event,) = caplog.records
    assert (event.message, event.user_id) == ("request", 2)  # type: ignore[attr-defined]
    assert (event.assigned, event.served_by) == (1, "queue")  # type: ignore[attr-defined]


def test_requests_are_counted_by_route_and_not_by_path(admin: FlaskClient) -> None:
    for path in ("/api/tickets/7", "/api/tickets/8", "/api/nothing/9"):
        admin.get(path)
    admin.open("/api/tickets", method="BREW")
    lines = admin.get("/metrics").get_data(as_text=True).splitlines()
    counted = {line for line in lines if line.startswith("fairdeal_http_requests_total")}
    assert 'fairdeal_http_requests_total{method="GET",route="/api/tickets/<id:ticket_id>",status="200"} 2.0' in counted
    assert 'fairdeal_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in counted
    assert 'fairdeal_http_requests_total{method="other",route="unmatched",status="405"} 1.0' in counted
    assert not any("BREW" in line or "/api/nothing" in line for line in lines)
    assert any(line.startswith("fairdeal_http_request_seconds_bucket") for line in lines)


@pytest.mark.parametrize("path", ["/api/me", "/api/tickets/7", "/nope", "/healthz", "/docs", "/openapi.json"])
def test_every_answer_carries_the_guarding_headers(admin: FlaskClient, path: str) -> None:
    headers = admin.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (headers.get("Cache-Control") == "no-store") == path.startswith("/api")


def test_the_documentation_asks_nobody_else_for_anything(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert page.content_type == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    text = page.get_data(as_text=True)
    assets = [part.partition('"')[0] for part in text.replace('href="', 'src="').split('src="')[1:]]
    assert len(assets) == 6
    for asset in assets:
        assert asset.startswith("/")
        answer = client.get(asset)
        assert answer.status_code == 200
        assert answer.data
    assert b"validatorUrl: null" in client.get("/docs/start.js").data


@pytest.mark.parametrize("asset", ["docs.html", "..%2Fapp.py", "%00", "start.js%00", "nothing.js"])
def test_nothing_else_is_served_beside_the_documentation(client: FlaskClient, asset: str) -> None:
    answer = client.get(f"/docs/{asset}")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_the_root_sends_people_to_the_documentation(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"], answer.data) == (302, "/docs", b"")


def a_record(**extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord({"name": "service.x", "levelname": "INFO", "msg": "ticket_claimed", "created": 0.0})
    vars(record).update(extra)
    return record


def test_a_json_line_holds_the_event_and_its_fields() -> None:
    token = request_id.set("r-1")
    try:
        line = JsonFormatter().format(a_record(ticket_id=7, odd={1: object()}, who=None))
    finally:
        request_id.reset(token)
    said = json.loads(line)
    assert said.pop("odd")["1"].startswith("<object")
    assert said == {
        "at": "1970-01-01T00:00:00Z", "level": "info", "event": "ticket_claimed", "logger": "service.x",
        "request_id": "r-1", "ticket_id": 7, "who": None,
    }  # fmt: skip


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_tracebacks_are_logged_and_stay_in_one_json_line(formatter: logging.Formatter) -> None:
    try:
        int("broken\nhere")
    except ValueError:
        line = formatter.format(a_record(exc_info=sys.exc_info()))
    assert "ValueError" in line
    assert ("\n" in line) == isinstance(formatter, TextFormatter)


def test_a_text_line_is_for_reading() -> None:
    line = TextFormatter().format(a_record(ticket_id=7))
    assert line == "00:00:00 info    ticket_claimed logger=service.x ticket_id=7"


def test_logging_is_configured_for_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    config = logging_config(level="warning", shape="json")
    stream = io.StringIO()
    config["handlers"]["stderr"]["stream"] = stream
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    try:
        logging.config.dictConfig(config)
        logging.getLogger("anything").info("too_quiet")
        logging.getLogger("anything").warning("loud_enough", extra={"n": 1})
        logging.getLogger("gunicorn.error").error("from_gunicorn")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for name in ("gunicorn.error", "gunicorn.access"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud_enough", "from_gunicorn"]
