"""The data that every stand starts from: a migrated PostgreSQL with people who are signed in, made once and copied."""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import jwt
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, text

from scripts.account import server_account
from scripts.embedded_postgres import Postgres, embedded_postgres
from scripts.embedded_server import Start
from scripts.ports import free_port
from service.api import tokens
from service.config import Settings, load
from service.domain.model import Role, User
from service.store import migrate
from service.usecases.passwords import Passwords
from service.usecases.ports.sessions import SessionTokensData

AGENTS = 50
DATABASE = "fairdeal"
JWT_SECRET_KEY = "the key of the fault suite, long enough"
PASSWORD = "Let-me-in-again-7"
TOKEN_MINUTES = "1440"
LONG_AGO_S = 7_200
"""Tokens are good for a day and were issued two hours ago: servers whose clocks are an hour off take them, too."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    id: int
    username: str
    level: str
    token: str


@dataclass(frozen=True, slots=True)
class People:
    """Everybody there is."""

    admin: Person
    operator: Person
    agents: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A data directory of PostgreSQL to copy, the passwords it was made with, and who is in it."""

    data: Path
    superuser_password: str
    database_password: str
    people: People

    def copy_to(self, data: Path) -> None:
        """Copy the data, ownership and all."""
        subprocess.run(["cp", "-a", "--reflink=auto", self.data, data], check=True)


def shared_template(directory: Path, revision: str = "head") -> Template:
    """Make the template in `directory`, or take the one that another process of this run has made there.

    `revision` says how far it is migrated.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        description = directory / "template.json"
        if not description.exists():
            description.write_text(json.dumps(_make(directory, revision)))
    return _read(directory, json.loads(description.read_text()))


def _read(directory: Path, found: dict[str, object]) -> Template:
    people = [Person(**each) for each in found["people"]]  # type: ignore[attr-defined]
    return Template(
        data=directory / "postgres",
        superuser_password=str(found["superuser_password"]),
        database_password=str(found["database_password"]),
        people=People(admin=people[0], operator=people[1], agents=tuple(people[2:])),
    )


def describe_postgres(directory: Path, *, password: str, port: int, throwaway: bool) -> Postgres:
    """Describe the PostgreSQL with its data in `directory`/postgres."""
    return embedded_postgres(
        directory / "postgres", log=directory / "postgres.log", port=port, password=password,
        account=server_account(directory / "postgres"), throwaway=throwaway,
    )  # fmt: skip


def _make(directory: Path, revision: str) -> dict[str, object]:
    superuser_password, database_password = secrets.token_hex(16), secrets.token_hex(16)
    server = describe_postgres(directory, password=superuser_password, port=free_port(), throwaway=True)
    server.create_data()
    with Start(server, may_move=False).wait():
        url = server.ensure_database(DATABASE, database_password)
        with _engine(url) as engine:
            migrate.upgrade(engine, revision)
            people = _sign_in(engine, url)
    return {
        "superuser_password": superuser_password,
        "database_password": database_password,
        "people": [asdict(person) for person in people],
    }


@contextlib.contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        yield engine
    finally:
        engine.dispose()


def _sign_in(engine: Engine, url: str) -> list[Person]:
    """Make everybody and a session for each, with one password, hashed once: fifty take longer than many a test."""
    settings = load(
        {
            "DATABASE_URL": url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET_KEY": JWT_SECRET_KEY,
            "ACCESS_TOKEN_MINUTES": TOKEN_MINUTES,
        }
    )
    wanted = [("admin", "admin", "junior"), ("operator", "operator", "junior")]
    wanted += [("agent", f"agent-{n:02}", "senior" if n % 3 == 0 else "junior") for n in range(1, AGENTS + 1)]
    password_hash = Passwords().hash(PASSWORD)
    with engine.begin() as connection:
        return [_person(connection, settings, password_hash, *each) for each in wanted]


def _person(
    connection: Connection, settings: Settings, password_hash: str, role: str, username: str, level: str
) -> Person:
    values = {"username": username, "role": role, "level": level, "password_hash": password_hash}
    insert = "INSERT INTO users (username, role, password_hash) VALUES (:username, :role, :password_hash) RETURNING id"
    user_id = connection.execute(text(insert), values).scalar_one()
    if role == "agent":
        profile = "INSERT INTO agents (id, level) VALUES (:id, :level)"
        connection.execute(text(profile), {"id": user_id, "level": level})
    now = datetime.now(UTC)
    session = {"id": uuid4(), "user_id": user_id, "jti": uuid4(), "expires_at": now + timedelta(days=14)}
    open_session = (
        "INSERT INTO sessions (id, user_id, refresh_jti, expires_at)"
        " VALUES (CAST(:id AS uuid), :user_id, CAST(:jti AS uuid), :expires_at)"
    )
    connection.execute(text(open_session), session)
    user = User(
        id=user_id, username=username, email=None, first_name="", last_name="", phone="", role=Role(role),
        is_active=True, created_at=now, updated_at=now,
    )  # fmt: skip
    data = SessionTokensData(
        session_id=session["id"], refresh_jti=session["jti"], user=user, expires_at=session["expires_at"]
    )
    return Person(id=user_id, username=username, level=level, token=_token(settings, data))


def _token(settings: Settings, data: SessionTokensData) -> str:
    app = Flask("fault-suite")
    tokens.install(app, settings)
    with app.app_context():
        issued = str(tokens.tokens().issue(data)["access"])
    claims = jwt.decode(issued, options={"verify_signature": False})
    long_ago = {name: claims[name] - LONG_AGO_S for name in ("iat", "nbf")}
    return jwt.encode({**claims, **long_ago}, JWT_SECRET_KEY, algorithm="HS256")
