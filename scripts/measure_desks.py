"""Measure what open desks cost the API: `python -m scripts.measure_desks --base http://127.0.0.1:8000 --password ...`.

Against a service that runs already, on data that may be spoilt. Agents fetch hands and give them back, in turns alone
and beside desks that are open in browsers and look for news every ten seconds, as `static/live.js` does. Prints a
table; docs/desks.md keeps one.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import click

PASSWORD = "Deal-me-in-1"  # noqa: S105 - of nobody
POLL_S = 10.0
POLLERS = 32
PATIENCE_S = 60


@dataclass
class Round:
    """What one round showed."""

    seconds: float
    fetch_ms: list[float] = field(default_factory=list)
    polls: int = 0
    unchanged: int = 0
    poll_ms: float = 0.0

    @property
    def fetches_a_second(self) -> float:
        """Fetches answered each second."""
        return len(self.fetch_ms) / self.seconds


class Client:
    """Somebody who sends requests to the service, keeping a connection."""

    def __init__(self, base: str, token: str = "") -> None:
        self._to = urlsplit(base).netloc
        self._connection = http.client.HTTPConnection(self._to, timeout=PATIENCE_S)
        self._token = token
        self.user_id = 0

    def rest(self) -> None:
        """Let go of the connection: the service would, after a while."""
        self._connection.close()

    def send(self, method: str, path: str, body: object = None, kind: str = "application/json") -> object:
        """Send a request and read its JSON; anything but 2xx raises."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = kind
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise click.ClickException(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None


def signed_in(base: str, username: str, password: str) -> Client:
    """Sign in over the API."""
    tokens = Client(base).send("POST", "/api/token", {"username": username, "password": password})
    client = Client(base, tokens["access"])  # type: ignore[index]
    client.user_id = client.send("GET", "/api/me")["id"]  # type: ignore[index]
    return client


def desk_cookies(base: str, username: str) -> str:
    """Sign in on the page and return the cookies a browser would send."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE_S)
    connection.request("GET", "/app/sign-in")
    answer = connection.getresponse()
    form = answer.read().decode()
    csrf = form.partition('name="csrf" value="')[2].partition('"')[0]
    jar = _cookies(answer)
    body = urlencode({"csrf": csrf, "username": username, "password": PASSWORD})
    kind = "application/x-www-form-urlencoded"
    connection.request("POST", "/app/sign-in", body, {"Content-Type": kind, "Cookie": _header(jar)})
    answer = connection.getresponse()
    answer.read()
    return _header(jar | _cookies(answer))


def _cookies(answer: http.client.HTTPResponse) -> dict[str, str]:
    found = SimpleCookie("; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or ()))
    return {name: morsel.value for name, morsel in found.items()}


def _header(jar: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def work(client: Client, until: float, pause_s: float, took_ms: list[float]) -> None:
    """Fetch a hand and give it back, over and over, with a pause between."""
    client.rest()
    while time.monotonic() < until:
        began = time.monotonic()
        hand = client.send("POST", "/api/tickets/fetch")
        took_ms.append((time.monotonic() - began) * 1000)
        if not hand["tickets"]:  # type: ignore[index]
            raise click.ClickException("no tickets are left: give more by --tickets")
        client.send("POST", f"/api/agents/{client.user_id}/return-tickets", {"reason": "measured"})
        time.sleep(pause_s)


def look(
    base: str,
    cookies: Sequence[str],
    desks: int,
    seconds: float,
    told: multiprocessing.Queue[tuple[dict[int, int], float]],
) -> None:
    """Keep desks open: each looks every ten seconds, on a connection of its own, as browsers would have to."""
    netloc, until = urlsplit(base).netloc, time.monotonic() + seconds
    jars = [dict(pair.split("=", 1) for pair in each.split("; ")) for each in cookies]
    lock, counts, took = threading.Lock(), {200: 0, 304: 0}, [0.0]

    def keep_open(mine: Sequence[int]) -> None:
        due = sorted((time.monotonic() + random.random() * POLL_S, desk) for desk in mine)  # noqa: S311 - a phase
        etags: dict[int, str] = {}
        while due and due[0][0] < until:
            at, desk = due.pop(0)
            time.sleep(max(0.0, at - time.monotonic()))
            began = time.monotonic()
            status, etags[desk] = _look(netloc, jars[desk % len(jars)], etags.get(desk, ""))
            with lock:
                counts[status] += 1
                took[0] += (time.monotonic() - began) * 1000
            due.append((at + POLL_S, desk))

    with ThreadPoolExecutor(POLLERS) as pool:
        list(pool.map(keep_open, [range(n, desks, POLLERS) for n in range(POLLERS)]))
    told.put((counts, took[0]))


def _look(netloc: str, jar: dict[str, str], etag: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(netloc, timeout=PATIENCE_S)
    headers = {"Cookie": _header(jar), "HX-Request": "true"} | ({"If-None-Match": etag} if etag else {})
    connection.request("GET", "/app/desk", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    jar.update(_cookies(answer))
    return answer.status, answer.headers.get("ETag", "")


def one_round(
    base: str, clients: Sequence[Client], cookies: Sequence[str], desks: int, seconds: float, pause_s: float
) -> Round:
    """Let the agents work for a while, beside so many desks."""
    told: multiprocessing.Queue[tuple[dict[int, int], float]] = multiprocessing.Queue()
    beside = multiprocessing.Process(target=look, args=(base, cookies, desks, seconds + POLL_S, told))
    if desks:
        beside.start()
        time.sleep(POLL_S)  # every desk has looked once, and asks for news from now on
    shown = Round(seconds=seconds)
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda client: work(client, until, pause_s, shown.fetch_ms), clients))
    if desks:
        counts, took_ms = told.get()
        beside.join()
        shown.polls, shown.unchanged = sum(counts.values()), counts[304]
        shown.poll_ms = took_ms / shown.polls
    return shown


def lines(rounds: Sequence[tuple[int, Round]]) -> Iterator[str]:
    """Write the rounds as a table."""
    yield "| round | open desks | fetches/s | fetch p50 ms | fetch p99 ms | polls | of them 304 | poll mean ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for number, (desks, shown) in enumerate(rounds, 1):
        percent = statistics.quantiles(shown.fetch_ms, n=100)
        yield (
            f"| {number} | {desks:,} | {shown.fetches_a_second:.1f} | {percent[49]:.0f} | {percent[98]:.0f} "
            f"| {shown.polls:,} | {shown.unchanged:,} | {shown.poll_ms:.0f} |"
        )
    means = {
        desks: statistics.median(shown.fetches_a_second for each, shown in rounds if each == desks)
        for desks, _ in rounds
    }
    yield ""
    yield ", ".join(f"median with {desks:,} desks: {rate:.1f} fetches/s" for desks, rate in means.items())


@click.command(help=__doc__)
@click.option("--base", default="http://127.0.0.1:8000", show_default=True)
@click.option("--password", required=True, help="The admin's.")
@click.option("--desks", default=1000, show_default=True, help="Open desks.")
@click.option("--agents", default=50, show_default=True, help="Agents whose desks they are.")
@click.option("--clients", default=4, show_default=True, help="Agents who work over the API meanwhile.")
@click.option("--pause", default=0.0, show_default=True, help="Their pause after each hand, s; 0: as fast as they can.")
@click.option("--rounds", default=3, show_default=True, help="Rounds with desks, and as many without.")
@click.option("--seconds", default=20.0, show_default=True, help="Length of a round.")
@click.option("--tickets", default=10_000, show_default=True, help="Tickets to begin with.")
def main(  # noqa: D103 - the options above
    *,
    base: str,
    password: str,
    desks: int,
    agents: int,
    clients: int,
    pause: float,
    rounds: int,
    seconds: float,
    tickets: int,
) -> None:
    admin = signed_in(base, "admin", password)
    mark = int(time.time())
    for n in range(agents + clients):
        admin.send("POST", "/api/agents", {"username": f"desk-{mark}-{n}", "password": PASSWORD, "level": "senior"})
    for _ in range(-(-tickets // 10_000)):
        rows = "".join(f'{{"subject": "Ticket {n}"}}\n' for n in range(10_000)).encode()
        admin.send("POST", "/api/tickets/import", rows, "application/x-ndjson")
    working = [signed_in(base, f"desk-{mark}-{n}", PASSWORD) for n in range(clients)]
    cookies = [desk_cookies(base, f"desk-{mark}-{clients + n}") for n in range(agents)]
    plan = [0, desks] * rounds
    shown = [(each, one_round(base, working, cookies, each, seconds, pause)) for each in plan]
    click.echo("\n".join(lines(shown)))


if __name__ == "__main__":
    main()
