"""The application as gunicorn serves it: two real processes, real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.waiting import wait_until
from service.config import Settings
from tests.integration.api.web_server import ROOT, Server, serving

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@pytest.fixture
def server(settings: Settings, engine: Any, tmp_path: Path) -> Iterator[Server]:
    with serving(settings, tmp_path, MAX_BODY_BYTES="4096", MAX_IMPORT_BYTES="1000000") as running:
        yield running


CHUNKED = b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_broken_requests_are_answered_in_json(server: Server) -> None:
    for raw, status in (
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n", 400),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (CHUNKED + b"nonsense\r\n", 400),
        (CHUNKED + b"2000\r\n" + b" " * 0x2000 + b"\r\n0\r\n\r\n", 413),
    ):
        answered, headers, body = server.send(raw)
        assert (answered, headers["Content-Type"]) == (status, "application/problem+json")
        assert json.loads(body)["status"] == status
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_chunked_bodies_are_read(server: Server) -> None:
    body = b'{"username":"nobody","password":"x"}'
    status, _, answer = server.send(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert (status, json.loads(answer)["code"]) == (401, "wrong_credentials")


def test_metrics_are_those_of_all_processes(server: Server) -> None:
    def counted() -> int:
        lines = server.get("/metrics")[1].decode().splitlines()
        marked = 'fairdeal_http_requests_total{method="GET",route="unmatched",status="404"} '
        return sum(int(float(line.removeprefix(marked))) for line in lines if line.startswith(marked))

    for n in range(30):
        server.get(f"/nothing/{n}")
    assert [counted() for _ in range(6)] == [30] * 6


def test_the_page_is_served_beside_the_api(server: Server) -> None:
    status, page = server.get("/app/sign-in")
    assert (status, b"<h1>Sign in</h1>" in page) == (200, True)
    asset = page.partition(b'stylesheet" href="')[2].partition(b'"')[0].decode()
    assert (server.get(asset)[0], server.get("/", Accept="text/html")[0]) == (200, 302)


def test_each_request_is_logged_once_and_a_stop_is_orderly(server: Server) -> None:
    server.get("/api/me", **{"X-Request-ID": "look-for-me"})
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    events = server.events()
    (mine,) = [event for event in events if "look-for-me" in json.dumps(event)]
    assert (mine["event"], mine["route"], mine["status"], mine["request_id"]) == (
        "request", "/api/me", 401, "look-for-me",
    )  # fmt: skip
    assert {event["logger"] for event in events} == {"gunicorn.error", "service.api.telemetry"}


@pytest.mark.parametrize(("host", "bind"), [("127.0.0.1", "127.0.0.1:8123"), ("::1", "[::1]:8123")])
def test_addresses_of_both_kinds_can_be_bound(settings: Settings, host: str, bind: str) -> None:
    environ = {
        "PATH": os.environ["PATH"], "HOST": host, "PORT": "8123", "VAR_DIR": str(settings.var_dir),
        "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
    }  # fmt: skip
    asked = "import runpy; print(runpy.run_path('service/gunicorn_conf.py')['bind'])"
    printed = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == bind


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone tells threads that wait for their turns apart")
def test_workers_wait_for_their_turns_and_so_do_their_threads(server: Server) -> None:
    def are_patient() -> bool:
        with contextlib.suppress(ProcessLookupError):
            policies = [
                os.sched_getscheduler(int(thread.name))
                for worker in _children(server.process.pid)
                for thread in Path(f"/proc/{worker}/task").iterdir()
            ]
            return len(policies) > 2 and set(policies) == {os.SCHED_BATCH}
        return False

    assert server.get("/healthz")[0] == 200
    assert wait_until(are_patient, 60)
    assert os.sched_getscheduler(server.process.pid) == os.SCHED_OTHER, "who looks after them does not wait"


def _children(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.skipif(
    not 2 <= len(CPUS) <= 8, reason="as many workers as CPUs: one has no choice, more take long to start"
)
def test_each_worker_keeps_to_a_cpu_of_its_own_also_one_that_replaces_another(
    settings: Settings, engine: Any, tmp_path: Path
) -> None:
    with serving(settings, tmp_path, WEB_WORKERS=str(len(CPUS)), PIN_WORKERS="true") as server:
        _see_workers_apart(server.process.pid)


def _see_workers_apart(master: int) -> None:
    def workers() -> list[int]:
        return _children(master)

    def are_apart() -> bool:
        with contextlib.suppress(ProcessLookupError):
            cpus = [os.sched_getaffinity(pid) for pid in workers()]
            return sorted(cpu for own in cpus for cpu in own) == CPUS and len(cpus) == len(CPUS)
        return False

    assert wait_until(are_apart, 60)
    gone = workers()[0]
    os.kill(gone, signal.SIGKILL)
    assert wait_until(lambda: gone not in workers() and are_apart(), 60)
