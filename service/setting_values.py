"""What the text of a setting must look like, as types that `config.Settings` is made of."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, SecretStr, ValidationInfo

from service.domain.mail_rules import parse_public_url, parse_sender, parse_smtp_url
from service.domain.people_rules import USERNAME_RULE, check_strength, is_username
from service.domain.secret_rules import admin_password_weakness, key_weakness, server_password_weakness
from service.domain.service_levels import parse_minutes
from service.domain.webhook_targets import parse_allowed
from service.redis_servers.address import Kind, parse

_DRIVER = "postgresql+psycopg2://"
_THE_PRIMARY = "target_session_attrs=read-write"

ALLOWED = "allowed"

HOW = '`python -c "import secrets; print(secrets.token_urlsafe(32))"` makes a good one'


def _refuse_weak(weakness: str | None, info: ValidationInfo) -> None:
    """Refuse what anybody could guess, unless nothing depends on it."""
    if weakness is not None and info.data.get("weak_secrets") != ALLOWED:
        raise ValueError(f"{weakness}; {HOW}, and WEAK_SECRETS=allowed takes any, for trying things out")


def _check_server_password(url: str, info: ValidationInfo) -> None:
    try:
        parts = urlsplit(url)
        username, password = parts.username, parts.password
    except ValueError:
        return  # several hosts, a socket: whoever reads it later says what is wrong with it
    if password is not None:
        weakness = server_password_weakness(unquote(password), unquote(username or ""))
        _refuse_weak(weakness and f"its password {weakness}", info)


def _signing_key(value: SecretStr, info: ValidationInfo) -> SecretStr:
    _refuse_weak(key_weakness(value.get_secret_value()), info)
    return value


def _database_url(value: str, info: ValidationInfo) -> str:
    """Accept the usual spellings and name the psycopg2 driver.

    SQLAlchemy 2.1 reads a bare ``postgresql://`` as psycopg 3, which is not installed.
    """
    for prefix in (_DRIVER, "postgresql://", "postgres://"):
        if value.startswith(prefix):
            _check_server_password(value, info)
            return _with_hosts(value.removeprefix(prefix))
    raise ValueError("must look like postgresql://user:password@host:5432/name")


def _replica_url(value: str, info: ValidationInfo) -> str:
    """Accept the same; of several hosts, any that follows the primary is meant."""
    return _database_url(value, info).replace(_THE_PRIMARY, "target_session_attrs=standby")


def _with_hosts(rest: str) -> str:
    """Write several hosts as SQLAlchemy wants them; of several, the one that takes writes is the one meant."""
    authority, slash, path = rest.partition("/")
    account, at, hosts = authority.rpartition("@")
    if "," not in hosts:
        return _DRIVER + rest
    name, _, query = path.partition("?")
    options = [f"host={host.strip()}" for host in hosts.split(",")] + ([query] if query else [])
    if "target_session_attrs=" not in query:
        options.append(_THE_PRIMARY)
    return f"{_DRIVER}{account}{at}{slash}{name}?{'&'.join(options)}"


def _redis_url(value: str, info: ValidationInfo) -> str:
    parse(value)
    _check_server_password(value, info)
    return value


def _jobs_redis_url(value: str, info: ValidationInfo) -> str:
    if parse(value).kind is Kind.CLUSTER:
        raise ValueError("must be one server, or Sentinels: RQ cannot work in a Redis Cluster")
    _check_server_password(value, info)
    return value


def _queue_prefix(value: str) -> str:
    if not value or not all(c.isalnum() or c in "-_." for c in value):
        raise ValueError("must be letters, digits, '-', '_' or '.'")
    return value


def _username(value: str) -> str:
    if not is_username(value):
        raise ValueError(USERNAME_RULE)
    return value


def _minutes(value: str) -> str:
    parse_minutes(value)
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    parse_smtp_url(value.get_secret_value())
    return value


def _sender(value: str) -> str:
    parse_sender(value)
    return value


def _allowed(value: str) -> str:
    parse_allowed(value)
    return value


def _strong(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """Refuse a weak password here: later it would stop a start that has already begun."""
    if lacking := check_strength(value.get_secret_value()):
        raise ValueError("; ".join(lacking))
    _refuse_weak(admin_password_weakness(value.get_secret_value()), info)
    return value


def _collector_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must look like http://collector.example:4318")
    return value


SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
ReplicaUrl = Annotated[str, AfterValidator(_replica_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
JobsRedisUrl = Annotated[str, AfterValidator(_jobs_redis_url)]
QueuePrefix = Annotated[str, AfterValidator(_queue_prefix)]
Username = Annotated[str, AfterValidator(_username)]
Minutes = Annotated[str, AfterValidator(_minutes)]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
Sender = Annotated[str, AfterValidator(_sender)]
AllowedTargets = Annotated[str, AfterValidator(_allowed)]
StrongPassword = Annotated[SecretStr, AfterValidator(_strong)]
PublicUrl = Annotated[str, AfterValidator(parse_public_url)]
CollectorUrl = Annotated[str, AfterValidator(_collector_url)]
