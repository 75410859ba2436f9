"""Redis addresses as settings hold them: one server, Sentinels and the master they watch, or nodes of a Cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Node = tuple[str, int]
"""A host and a port."""

SHAPES = (
    "redis://:password@host:6379/0 (or rediss://, unix://), redis+sentinel://:password@host:26379,host:26379/master/0, "
    "or redis+cluster://:password@host:6379,host:6379"
)

_DEFAULT_DB = 0


class Kind(StrEnum):
    """What stands at an address."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES = {
    "redis": (Kind.SERVER, False),
    "rediss": (Kind.SERVER, True),
    "unix": (Kind.SERVER, False),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
}

_PORTS = {Kind.SENTINEL: 26_379, Kind.CLUSTER: 6_379}

_SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """An address, read. `url` is what redis-py reads by itself where the kind is `SERVER`."""

    kind: Kind
    url: str = field(repr=False)
    nodes: tuple[Node, ...] = ()
    """Sentinels, or some nodes of a Cluster; one that answers is enough."""
    master: str = ""
    db: int = _DEFAULT_DB
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


def parse(url: str) -> RedisAddress:
    """Read an address. Raises `ValueError` saying what it should look like; never repeats it, it holds a password."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"must look like {SHAPES}")
    kind, tls = _SCHEMES[parts.scheme]
    if kind is Kind.SERVER:
        return RedisAddress(kind=kind, url=url, tls=tls)
    username, password, nodes = _authority(parts, _PORTS[kind])
    options = _options(parts, known=_SENTINEL_OPTIONS if kind is Kind.SENTINEL else set())
    master, db = _path(parts, kind)
    return RedisAddress(
        kind=kind,
        url=url,
        nodes=nodes,
        master=master,
        db=db,
        tls=tls,
        username=username,
        password=password,
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
    )


def _authority(parts: SplitResult, default_port: int) -> tuple[str | None, str | None, tuple[Node, ...]]:
    """Read the account and the nodes."""
    account, at, hosts = parts.netloc.rpartition("@")
    username, _, password = account.partition(":") if at else ("", "", "")
    nodes = tuple(_node(host.strip(), default_port) for host in hosts.split(","))
    return unquote(username) or None, unquote(password) or None, nodes


def _node(text: str, default_port: int) -> Node:
    """Read `host`, `host:port` or `[address]:port`."""
    try:
        read = urlsplit(f"//{text}")
        host, port = read.hostname, read.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError("must name hosts with commas between, each with a port, such as a:26379,b:26379,c:26379")
    return host, port or default_port


def _options(parts: SplitResult, *, known: set[str]) -> dict[str, str]:
    """Read the query. Raises `ValueError` for options that nobody would look at."""
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if strange := sorted(set(given) - known):
        expected = f"; known are {', '.join(sorted(known))}" if known else ""
        raise ValueError(f"has an unknown option {strange[0]}{expected}")
    return given


def _path(parts: SplitResult, kind: Kind) -> tuple[str, int]:
    """Read the master's name and the database's number, which a Cluster does not have."""
    given = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    if kind is Kind.CLUSTER:
        if given and given != [str(_DEFAULT_DB)]:
            raise ValueError("a Cluster has the database 0 alone")
        return "", _DEFAULT_DB
    if not 1 <= len(given) <= 2 or not (len(given) == 1 or given[1].isdecimal()):
        raise ValueError("must name the master that the Sentinels watch, such as redis+sentinel://a:26379/mymaster/0")
    return given[0], int(given[1]) if len(given) == 2 else _DEFAULT_DB
