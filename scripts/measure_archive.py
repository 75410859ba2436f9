"""Measure what archiving costs those who work: `python -m scripts.measure_archive --password ... --database ...`.

Against a service that runs already with ARCHIVE_AFTER_DAYS=0, on data that may be spoilt. Old sold and closed tickets
are planted; then agents fetch hands and sell them while nobody archives, while it is done as the job does it, and by
hand, in turns. Told is processor time (throughput is noise on a shared machine) of the servers' processes, which are
read in /proc, so this must run beside them. docs/adr/0039 keeps what it prints.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
from sqlalchemy import Connection, Engine, create_engine, text

from scripts.measure_desks import PASSWORD, Client, signed_in
from service.store.archive import PostgresArchive
from service.store.engine import make_engine
from service.usecases.archive import DAY_S, Archiving, Sweep

NOBODY, GENTLY, AT_ONCE = "nobody archives", "as the job does", "by hand"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

PLANT = (
    "SET synchronous_commit = off",
    "INSERT INTO customers (name, email) VALUES ('Kim', 'kim-of-old@example.com') ON CONFLICT DO NOTHING",
    """
    INSERT INTO tickets (subject, description, status, agent_id, customer_id, epoch, external_id,
                         created_at, updated_at, assigned_at, sold_at)
    SELECT 'Old ticket ' || n, repeat('All of it is written down here. ', 6), s.status, (SELECT min(id) FROM agents),
           CASE s.status WHEN 'sold' THEN (SELECT id FROM customers WHERE email = 'kim-of-old@example.com') END, 1,
           CASE n % 2 WHEN 0 THEN 'old-' || :mark || '-' || n END, at, at, at, CASE s.status WHEN 'sold' THEN at END
    FROM generate_series(1, :count) AS n,
         LATERAL (SELECT now() - interval '200 days' + n * interval '1 s' AS at,
                         CASE n % 4 WHEN 0 THEN 'closed' ELSE 'sold' END AS status) AS s
    """,
    """
    INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, at, xact)
    SELECT t.id, line.cause, line.before, coalesce(line.after, t.status), t.agent_id, line.epoch, t.updated_at, '3'
    FROM tickets t, LATERAL (VALUES ('import', NULL, 'open', 0), ('fetch', 'open', 'assigned', 1),
        ('start', 'assigned', 'in_progress', 1), ('sell', 'in_progress', NULL, 1)) AS line (cause, before, after, epoch)
    WHERE t.updated_at < now() - interval '100 days'
      AND NOT EXISTS (SELECT FROM ticket_events e WHERE e.ticket_id = t.id)
    ORDER BY t.id
    """,
    # Whoever follows the history has read it all.
    """
    INSERT INTO event_cursors (reader, xact, event_id)
    SELECT reader, pg_snapshot_xmax(pg_current_snapshot()), 0 FROM unnest(ARRAY['mails', 'webhooks']) AS reader
    ON CONFLICT (reader) DO UPDATE SET xact = excluded.xact, event_id = excluded.event_id
    """,
)

SIZES = text("""
SELECT c.relname AS name, c.reltuples::bigint AS about, pg_relation_size(c.oid) AS heap,
       pg_indexes_size(c.oid) AS indexes,
       (SELECT coalesce(sum(pg_relation_size(i.indexrelid)), 0) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND x.relname IN ('tickets_open_idx', 'tickets_held_idx')) AS hot
FROM pg_class c WHERE c.relname = ANY ('{tickets,ticket_events,archived_tickets,archived_ticket_events}')
ORDER BY c.relname
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed: processor seconds, and what was done."""

    how: str
    hands: int
    postgresql_s: float
    web_s: float
    archived: int
    slowest_ms: float


class _Nobody:
    """Take no jobs: what is to be done is done here."""

    def enqueue(self, name: str, *args: str | int | bool | None, unique_id: str | None = None) -> bool:
        """Refuse: only `look` calls for jobs, and that is the clock's."""
        raise AssertionError(name, args, unique_id)


def work(client: Client, until: float, took_ms: list[float]) -> None:
    """Fetch a hand and sell it, over and over."""
    client.rest()
    while time.monotonic() < until:
        began = time.monotonic()
        hand = client.send("POST", "/api/tickets/fetch")["tickets"]  # type: ignore[index]
        took_ms.append((time.monotonic() - began) * 1000)
        if not hand:
            raise click.ClickException("no tickets are left: give more by --tickets")
        buyer = {"name": "Kim", "email": "kim-of-old@example.com"}
        client.send("POST", "/api/tickets/sell", {"sales": [{"ticket_id": t["id"], "customer": buyer} for t in hand]})


def processor_s(pids: Sequence[int]) -> float:
    """Add up what processes have used."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += (int(fields[11]) + int(fields[12])) * TICK_S
    return total


def processor_exactly_s(pids: Sequence[int]) -> float:
    """Add up what processes of one thread have used, to the nanosecond, in seconds."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return total / 1e9


def backends(connection: Connection) -> list[int]:
    """List the server processes of the web's connections."""
    query = text("SELECT pid FROM pg_stat_activity WHERE application_name = 'fairdeal'")
    return list(connection.execute(query).scalars())


def web_processes(port: int) -> list[int]:
    """List the processes that serve HTTP on the port."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_web = b"gunicorn_conf" in (process / "cmdline").read_bytes()
            is_ours = f"\0PORT={port}\0".encode() in b"\0" + (process / "environ").read_bytes()
        except OSError:
            continue
        if is_web and is_ours:
            found.append(int(process.name))
    return found


def one_round(engine: Engine, archiving: Archiving, clients: Sequence[Client], how: str, port: int, s: float) -> Round:
    """Let the agents work for a while, beside an archiver or none."""
    took_ms: list[float] = []
    until = time.monotonic() + s
    moved: list[Sweep] = []

    def archive() -> None:
        go_on: Callable[[Sweep], bool] = lambda _: time.monotonic() < until  # noqa: E731
        moved.append(archiving.run(older_than_s=100 * DAY_S, go_on=go_on, rests=how == GENTLY))

    with engine.connect() as connection:
        pids, web = backends(connection), web_processes(port)
        before = processor_exactly_s(pids), processor_s(web)
        beside = threading.Thread(target=archive)
        if how != NOBODY:
            beside.start()
        with ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(lambda client: work(client, until, took_ms), clients))
        after = processor_exactly_s(pids), processor_s(web)
        if how != NOBODY:
            beside.join()
    return Round(
        how=how,
        hands=len(took_ms),
        postgresql_s=after[0] - before[0],
        web_s=after[1] - before[1],
        archived=sum(one.tickets for one in moved),
        slowest_ms=max(took_ms),
    )


def print_sizes(engine: Engine, when: str) -> None:
    """Print how large the tables are."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        for row in connection.execute(SIZES):
            heap, indexes, hot = row.heap / 2**20, row.indexes / 2**20, row.hot / 2**10
            sizes = f"{heap:,.0f} MiB and {indexes:,.0f} MiB of indexes ({hot:,.0f} KiB hot)"
            click.echo(f"{when}: {row.name} {row.about:,} rows, {sizes}")


def plant(admin: Client, engine: Engine, *, mark: int, old: int, tickets: int, clients: int) -> None:
    """Make agents, old tickets, and open ones for the agents to work on."""
    for n in range(clients):
        admin.send("POST", "/api/agents", {"username": f"arch-{mark}-{n}", "password": PASSWORD, "level": "senior"})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for query in PLANT:
            connection.execute(text(query), {"count": old, "mark": str(mark)} if ":count" in query else {})
    for _ in range(-(-tickets // 10_000)):
        rows = "".join(f'{{"subject": "Ticket {n}"}}\n' for n in range(10_000)).encode()
        admin.send("POST", "/api/tickets/import", rows, "application/x-ndjson")


def archiving_on(url: str) -> Archiving:
    """Wire the archive with a connection of its own, and nobody to call for jobs."""
    patient = make_engine(url, statement_timeout_ms=60_000, pool_size=2, application_name="fairdeal-measure")
    return Archiving(
        store=PostgresArchive(patient),
        jobs=_Nobody(),
        after_days=100,
        keep_days=0,
        clock=time.monotonic,
        sleep=time.sleep,
    )


def print_rounds(shown: Sequence[Round], seconds: float) -> None:
    """Print each round, and the medians of each kind."""
    click.echo("| round | hands | PostgreSQL ms a hand | web ms a hand | tickets archived/s | slowest fetch ms |")
    click.echo("|---|---|---|---|---|---|")
    for one in shown:
        database_ms, web_ms = one.postgresql_s / one.hands * 1000, one.web_s / one.hands * 1000
        figures = f"{database_ms:.2f} | {web_ms:.2f} | {one.archived / seconds:,.0f} | {one.slowest_ms:.0f}"
        click.echo(f"| {one.how} | {one.hands:,} | {figures} |")
    for how in (NOBODY, GENTLY, AT_ONCE):
        mine = [one for one in shown if one.how == how]
        database_ms = statistics.median(one.postgresql_s / one.hands * 1000 for one in mine)
        web_ms = statistics.median(one.web_s / one.hands * 1000 for one in mine)
        click.echo(f"median, {how}: PostgreSQL {database_ms:.2f} ms a hand, web {web_ms:.2f} ms")


@click.command(help=__doc__)
@click.option("--base", default="http://127.0.0.1:8000", show_default=True)
@click.option("--password", required=True, help="The admin's.")
@click.option("--database", required=True, help="URL of its database.")
@click.option("--old", default=500_000, show_default=True, help="Old tickets to plant.")
@click.option("--tickets", default=150_000, show_default=True, help="Open tickets to begin with.")
@click.option("--clients", default=4, show_default=True, help="Agents at work.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of each kind.")
@click.option("--seconds", default=15.0, show_default=True, help="Length of a round.")
def main(  # noqa: D103 - the options above
    *, base: str, password: str, database: str, old: int, tickets: int, clients: int, rounds: int, seconds: float
) -> None:
    admin, mark = signed_in(base, "admin", password), int(time.time())
    url = database.replace("postgresql://", "postgresql+psycopg2://")
    engine, archiving = create_engine(url), archiving_on(url)
    plant(admin, engine, mark=mark, old=old, tickets=tickets, clients=clients)
    print_sizes(engine, "before")
    working = [signed_in(base, f"arch-{mark}-{n}", PASSWORD) for n in range(clients)]
    port = urlsplit(base).port or 80
    one_round(engine, archiving, working, NOBODY, port, 3.0)  # connections are made, statements prepared
    shown = [
        one_round(engine, archiving, working, how, port, seconds)
        for number in range(rounds)
        for how in ((NOBODY, GENTLY, AT_ONCE) if number % 2 == 0 else (AT_ONCE, GENTLY, NOBODY))
    ]
    print_rounds(shown, seconds)
    began = time.monotonic()
    rest = archiving.run(older_than_s=100 * DAY_S)
    took_s = time.monotonic() - began
    click.echo(f"alone: {rest.tickets:,} tickets, {rest.events:,} lines in {took_s:.0f} s")
    print_sizes(engine, "after")


if __name__ == "__main__":
    main()
