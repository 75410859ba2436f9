"""The way to the receivers: to the very address that was judged, in bounded time, and nowhere else."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from scripts.ports import free_port
from service.domain.errors import InvalidInput
from service.domain.webhook_targets import parse_allowed
from service.webhook_http import HttpCourier
from tests.receiver import Receiver, receiver, status

CERTIFICATE = Path(__file__).parents[1] / "hooks.test.pem"
TIMEOUT_S = 20.0
SHORT_S = 1.0
LOCAL = "127.0.0.0/8"


class Names:
    """A resolver that answers what it is told, one answer after the other, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found


def courier(*, allow: str = LOCAL, timeout_s: float = TIMEOUT_S, names: Names | None = None) -> HttpCourier:
    plain = {} if names is None else {"resolve": names}
    return HttpCourier(allowed=parse_allowed(allow), timeout_s=timeout_s, **plain)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def test_what_is_posted_arrives_as_it_is(there: Receiver) -> None:
    outcome = courier().post(f"{there.url}?a=%20", {"Content-Type": "application/json", "webhook-id": "m"}, b'{"a": 1}')
    assert (outcome.status, outcome.error, outcome.is_success) == (204, None, True)
    [got] = there.received
    assert (got.path, got.body) == ("/hook?a=%20", b'{"a": 1}')
    assert (got.headers["content-type"], got.id) == ("application/json", "m")
    assert got.headers["host"] == there.url.split("/")[2]


def test_the_address_judged_is_the_one_called_under_the_name_asked_for(there: Receiver) -> None:
    names = Names(["127.0.0.1"])
    url = there.url.replace("127.0.0.1", "hooks.test")
    assert courier(names=names).post(url, {}, b"{}").is_success
    assert there.received[0].headers["host"] == url.split("/")[2]
    assert names.asked == ["hooks.test"], "looked up once: what was judged is what was called"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1%lo", "0.0.0.0"],
)
def test_a_name_that_leads_inside_is_refused_when_made_and_when_called(there: Receiver, address: str) -> None:
    url = there.url.replace("127.0.0.1", "hooks.test")
    strict = courier(allow="", names=Names([address]))
    with pytest.raises(InvalidInput, match="not a public address"):
        strict.check(url)
    outcome = strict.post(url, {}, b"{}")
    assert (outcome.status, there.received) == (None, [])
    assert "not a public address" in (outcome.error or "")


def test_one_address_inside_spoils_the_others() -> None:
    with pytest.raises(InvalidInput, match=r"10\.0\.0\.1"):
        courier(allow="", names=Names(["93.184.216.34", "10.0.0.1"])).check("https://hooks.test/")


def test_a_name_that_leads_elsewhere_the_second_time_is_refused(there: Receiver) -> None:
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    rebound = courier(allow="", names=names)
    url = there.url.replace("127.0.0.1", "rebound.test")
    rebound.check(url)
    outcome = rebound.post(url, {}, b"{}")
    assert (outcome.status, there.received) == (None, [])
    assert "leads to 127.0.0.1" in (outcome.error or "")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost", "[::1]"]
)
def test_the_loopback_is_refused_in_any_spelling(there: Receiver, host: str) -> None:
    url = there.url.replace("127.0.0.1", host)
    with pytest.raises(InvalidInput):
        courier(allow="").check(url)
    assert courier(allow="").post(url, {}, b"{}").status is None
    assert there.received == []


def test_a_name_may_be_allowed_wherever_it_leads(there: Receiver) -> None:
    url = there.url.replace("127.0.0.1", "hooks.test")
    assert courier(allow="hooks.test", names=Names(["127.0.0.1"])).post(url, {}, b"{}").is_success


def test_a_name_nobody_knows_leads_nowhere() -> None:
    with pytest.raises(InvalidInput, match="leads nowhere"):
        courier(names=Names([])).check("https://hooks.test/")
    assert "leads nowhere" in (courier(names=Names([])).post("https://hooks.test/", {}, b"{}").error or "")


def test_redirects_are_not_followed(there: Receiver) -> None:
    with receiver() as inside:
        there.answer = status(302, Location=inside.url)
        outcome = courier().post(there.url, {}, b"{}")
        assert inside.received == []
    assert (outcome.status, outcome.is_success) == (302, False)
    assert "not followed" in (outcome.error or "")


def test_proxies_of_the_environment_are_not_asked(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert courier().post(there.url, {}, b"{}").is_success


def test_a_receiver_that_is_not_there_is_told_of() -> None:
    outcome = courier().post(f"http://127.0.0.1:{free_port()}/", {}, b"{}")
    assert outcome.status is None
    assert "refused" in (outcome.error or "")


def test_a_second_address_is_tried_when_the_first_does_not_answer(there: Receiver) -> None:
    url = there.url.replace("127.0.0.1", "hooks.test")
    assert courier(names=Names(["127.0.0.2", "127.0.0.1"])).post(url, {}, b"{}").is_success


def dribble(handler: BaseHTTPRequestHandler) -> None:
    """Go on and on about an answer that never comes."""
    with_pauses, end = threading.Event(), time.monotonic() + 45
    try:
        while time.monotonic() < end:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n")
            handler.wfile.flush()
            with_pauses.wait(0.2)
    except OSError:
        pass


@pytest.mark.parametrize("how", ["silent", "dribbling", "not accepting", "resolver"])
def test_no_receiver_is_waited_for_longer_than_said(there: Receiver, how: str) -> None:
    there.answer = {"silent": there.hang, "dribbling": dribble}.get(how, status(204))
    released = threading.Event()

    def never(host: str, port: int) -> Sequence[str]:
        released.wait(60)
        return ["127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_connection(deaf.getsockname()):
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/" if how == "not accepting" else there.url
        resolve = {"resolve": never} if how == "resolver" else {}
        short = HttpCourier(allowed=parse_allowed(LOCAL), timeout_s=SHORT_S, **resolve)
        began = time.monotonic()
        outcome = short.post(url, {}, b"{}")
        took_s = time.monotonic() - began
    released.set()
    assert outcome.status is None
    assert "no answer within 1 s" in (outcome.error or ""), outcome
    assert took_s < 30, "bounded, however slow this machine is"


def test_an_answer_without_end_is_cut_off_and_counts(there: Receiver) -> None:
    sent = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                sent += handler.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    there.answer = flood
    assert courier().post(there.url, {}, b"{}").is_success
    assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize("said", [b"", b"220 smtp.example ESMTP\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00\xff" * 40_000])
def test_what_is_no_http_is_a_failure(there: Receiver, said: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(said)

    there.answer = answer
    outcome = courier().post(there.url, {}, b"{}")
    assert outcome.status is None
    assert outcome.error


class TestTls:
    @pytest.fixture
    def there(self) -> Iterator[Receiver]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with receiver(tls=context) as state:
            yield state

    def knowing(self, *names: str) -> HttpCourier:
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        return HttpCourier(
            allowed=parse_allowed(LOCAL), timeout_s=TIMEOUT_S, resolve=Names(["127.0.0.1"]), tls=trusting
        )

    def test_the_certificate_is_checked_against_the_name_not_the_address(self, there: Receiver) -> None:
        assert self.knowing().post(there.url.replace("127.0.0.1", "hooks.test"), {}, b"{}").is_success
        assert len(there.received) == 1

    @pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
    def test_another_name_is_refused(self, there: Receiver, host: str) -> None:
        outcome = self.knowing().post(there.url.replace("127.0.0.1", host), {}, b"{}")
        assert (outcome.status, there.received) == (None, [])
        assert "mismatch" in (outcome.error or ""), outcome

    def test_a_certificate_of_nobody_known_is_refused(self, there: Receiver) -> None:
        outcome = courier(names=Names(["127.0.0.1"])).post(there.url.replace("127.0.0.1", "hooks.test"), {}, b"{}")
        assert (outcome.status, there.received) == (None, [])
        assert "self-signed" in (outcome.error or ""), outcome
