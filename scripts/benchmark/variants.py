"""The service with one of its means to be faster taken away, or one added: `./scripts/bench --compare NAME`.

Each is a web server of its own, made by `create_wsgi_app` below under the same gunicorn configuration, or by an
environment variable of the service where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.pool import NullPool

from service import bootstrap
from service.config import Settings
from service.store import engine as store_engine
from service.wiring import connections

if TYPE_CHECKING:
    from flask import Flask

COMMIT_DELAY_US = 500
"""How long a commit waits for others to share its flush, where at least `commit_siblings` (5) are under way."""


@dataclass(frozen=True)
class Variant:
    """What differs: `change` patches the process before the application is made, `environ` is told to it."""

    about: str
    change: Callable[[], None] = lambda: None
    environ: Mapping[str, str] = field(default_factory=dict)

    def unknown_settings(self) -> list[str]:
        """Name the variables that the service does not know (any more): they would change nothing."""
        return [name for name in self.environ if name.lower() not in Settings.model_fields]


def _without_token_cache() -> None:
    from service.api.tokens import Tokens

    def forget(_tokens: Tokens, _encoded: str) -> None:
        return None

    Tokens.remembered = forget  # type: ignore[method-assign, assignment]


def _without_fast_path() -> None:
    from service.api import fast_path

    vars(fast_path)["install"] = lambda _app: None


def _without_gathered_openings() -> None:
    from service.store.gathering import Gathering

    def ask_alone(gathering: Gathering[Any, Any], key: Any) -> Any:
        return gathering.alone(key)

    Gathering.ask = ask_alone  # type: ignore[method-assign, assignment]


def _without_pools() -> None:
    create = sqlalchemy.create_engine

    def create_engine(url: str, **options: Any) -> Engine:
        kept = {name: value for name, value in options.items() if not name.startswith(("pool_", "max_overflow"))}
        return create(url, poolclass=NullPool, **kept)

    vars(store_engine)["create_engine"] = create_engine


def _with_json_of_the_standard_library() -> None:
    from service.api import encoding

    def dumps(value: Any) -> bytes:
        return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()

    encoding.dumps.__code__ = dumps.__code__  # whoever imported it by name has it, too
    vars(encoding).update(json=json, _plain=_plain)


def _plain(value: Any) -> Any:
    """Turn what JSON has no word for into something it has, as `service.api.encoding` does."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)


def _with_group_commit() -> None:
    make = store_engine.make_engine

    def make_engine(*arguments: Any, **options: Any) -> Engine:
        made = make(*arguments, **options)
        event.listen(made, "connect", _delay_commits)
        return made

    vars(connections)["make_engine"] = make_engine


def _delay_commits(connection: Any, _record: object) -> None:
    before, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute(f"SET commit_delay = {COMMIT_DELAY_US}")
    connection.autocommit = before


def _with_gathered_claims() -> None:
    from scripts.benchmark.gathered import Gathered
    from service.store import arbiter

    vars(arbiter)["PREPARED_CLAIM"] = Gathered(arbiter.PREPARED_CLAIM)


VARIANTS: Mapping[str, Variant] = {
    "token-cache": Variant("otherwise: every token is verified on every request, by Flask", _without_token_cache),
    "fast-path": Variant("otherwise: Flask answers every fetch", _without_fast_path),
    "gathered-openings": Variant(
        "otherwise: each fetch is opened by a statement of its own", _without_gathered_openings
    ),
    "prepared-statements": Variant("otherwise: none, as behind a pooler", environ={"DATABASE_POOLER": "transaction"}),
    "pinning": Variant("otherwise: each web process stays on a core of its own", environ={"PIN_WORKERS": "true"}),
    "connection-pools": Variant("otherwise: every use of PostgreSQL makes a connection", _without_pools),
    "json": Variant("otherwise: by the standard library", _with_json_of_the_standard_library),
    "group-commit": Variant(f"otherwise: commit_delay of {COMMIT_DELAY_US} us", _with_group_commit),
    "gathered-claims": Variant("otherwise: claims that wait share a transaction", _with_gathered_claims),
    "threads": Variant("otherwise: 16 threads in each web process", environ={"WEB_THREADS": "16"}),
}


def create_wsgi_app(name: str) -> Flask:
    """Make the service's application as the variant has it."""
    VARIANTS[name].change()
    return bootstrap.create_wsgi_app()
