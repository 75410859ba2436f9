"""What is effective at once and everywhere: two web hosts, each with processes of its own, on the same servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.bootstrap import Container
from service.config import Settings
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.integration.api.conftest import PASSWORD
from tests.integration.api.web_server import Answer, Server, serving

OTHER = "Another-horse-8"
NO_REDIS = {"REDIS_URL": "redis://127.0.0.1:1/0", "REDIS_TIMEOUT_MS": "200"}


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Server]]]:
    """Start two web hosts."""
    with ExitStack() as stack:

        def started(**environ: str) -> tuple[Server, Server]:
            here, there = (stack.enter_context(serving(settings, tmp_path / name, **environ)) for name in "ab")
            return here, there

        yield started


def sign_in(server: Server, username: str, password: str = PASSWORD) -> Answer:
    return server.call("POST", "/api/token", {"username": username, "password": password})


def access(server: Server, username: str) -> str:
    answer = sign_in(server, username)
    assert answer.status == 200, answer
    return str(answer.body["access"])


def make(container: Container, username: str, role: Role) -> int:
    return container.users.create(UserDraft(username=username, password=PASSWORD, role=role)).id


def test_wrong_passwords_are_counted_across_hosts_while_redis_is_away(
    start: Callable[..., tuple[Server, Server]], container: Container
) -> None:
    make(container, "root", Role.ADMIN)
    hosts = start(**NO_REDIS, SIGN_IN_TRIES="5", SIGN_IN_WINDOW_S="80000")
    for username in ("root", "nobody"):
        answers = [sign_in(hosts[n % 2], username, "wrong") for n in range(12)]
        assert [answer.status for answer in answers] == [401] * 5 + [429] * 7
        assert {answer.body["code"] for answer in answers[5:]} == {"too_many_tries"}
    refused = sign_in(hosts[1], "root")
    assert refused.status == 429
    wait_s = int(refused.headers["Retry-After"])
    assert 15_000 < wait_s <= 16_000
    assert f"Try again in {wait_s} seconds" in refused.body["detail"]


def test_what_ends_a_session_ends_it_on_every_host(
    start: Callable[..., tuple[Server, Server]], container: Container
) -> None:
    make(container, "root", Role.ADMIN)
    ids = {name: make(container, name, Role.OPERATOR) for name in ("ann", "bob", "cat", "dan")}
    here, there = start()

    def seen(token: str, path: str = "/api/me") -> tuple[int, int]:
        """Ask the other host twice as often as it has processes, and this one; each must say the same."""
        theirs = {there.call("GET", path, token=token).status for _ in range(4)}
        assert len(theirs) == 1
        return here.call("GET", path, token=token).status, theirs.pop()

    def act(method: str, path: str, body: Any = None, *, by: str) -> None:
        answer = here.call(method, path, body, token=by)
        assert answer.status in {200, 204}, answer

    root, tokens = access(here, "root"), {name: access(there, name) for name in ids}
    assert {seen(token) for token in [root, *tokens.values()]} == {(200, 200)}

    act("POST", "/api/token/revoke", by=tokens["ann"])
    assert seen(tokens["ann"]) == (401, 401)

    bobs_other = access(here, "bob")
    act("POST", "/api/me/password", {"old_password": PASSWORD, "new_password": OTHER}, by=bobs_other)
    assert (seen(bobs_other), seen(tokens["bob"])) == ((200, 200), (401, 401))
    assert (sign_in(there, "bob").status, sign_in(there, "bob", OTHER).status) == (401, 200)

    assert seen(tokens["cat"], "/api/users") == (403, 403)
    act("PATCH", f"/api/users/{ids['cat']}", {"role": "admin"}, by=root)
    assert seen(tokens["cat"], "/api/users") == (200, 200)
    act("PATCH", f"/api/users/{ids['cat']}", {"role": "operator"}, by=root)
    assert seen(tokens["cat"], "/api/users") == (403, 403)

    act("PATCH", f"/api/users/{ids['dan']}", {"is_active": False}, by=root)
    assert seen(tokens["dan"]) == (401, 401)
    assert sign_in(there, "dan").status == 401
    act("DELETE", f"/api/users/{ids['cat']}", by=root)
    assert seen(tokens["cat"]) == (401, 401)
