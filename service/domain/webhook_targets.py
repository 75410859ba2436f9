"""Where webhooks may lead: to public addresses, and to what the operator allows besides.

Whoever may create a webhook could otherwise have the service call what only it can reach: databases, consoles, the
cloud's metadata. The tables are written out, as Python's own `is_private` and `is_global` say different things from
release to release, and take multicast for global.
https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2_000
PORTS = {"http": 80, "https": 443}

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; where clouds tell their secrets
        "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # protocols, documentation
        "192.88.99.0/24",  # relays to 6to4
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4", "240.0.0.0/4",  # multicast, reserved, broadcast
        "168.63.129.16/32",  # public by its number, yet a cloud's own host
    )
)  # fmt: skip
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4
    )
)  # fmt: skip
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")

_ODD = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, where it does: mapped, or behind a NAT64."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Say whether an address is one of the whole internet's."""
    address = plain(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed although it is not public: networks, and names wherever they lead."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    def admits(self, host: str, address: Address) -> bool:
        """Say whether `address`, which `host` has led to, may be called."""
        if is_public(address) or host in self.names:
            return True
        address = plain(address)
        return any(address.version == network.version and address in network for network in self.networks)


def parse_allowed(text: str) -> Allowed:
    """Read networks, addresses and names, with commas between. Raises `ValueError` naming what is none of them."""
    networks: list[Network] = []
    names: set[str] = set()
    for word in (part.strip().lower() for part in text.split(",")):
        if not word:
            continue
        try:
            networks.append(ip_network(word.replace("[", "").replace("]", "")))
        except ValueError:
            if not _is_name(word):
                raise ValueError(f"{word!r} is neither a network such as 10.1.0.0/16 nor a host's name") from None
            names.add(word.rstrip("."))
    return Allowed(tuple(networks), frozenset(names))


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart: `host` in lower case, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int
    path: str


def parse_target(url: str) -> Target:
    """Take a URL apart, strictly: what two parsers might read differently is refused. Raises `ValueError`."""
    if len(url) > MAX_URL:
        raise ValueError(f"must have at most {MAX_URL} characters")
    if _ODD.search(url):
        raise ValueError("must be plain ASCII without spaces and backslashes; write others as %20, a name as xn--")
    parts = _split(url)
    if parts.scheme not in PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("must begin with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or a password")
    if "#" in url:
        raise ValueError("must not contain a fragment (#)")
    host = (parts.hostname or "").lower()
    _refuse_odd_host(host, is_bracketed="[" in parts.netloc)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host.rstrip("."), parts.port or PORTS[parts.scheme], path)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("is not a URL such as https://example.com/hooks")
    return parts


def _refuse_odd_host(host: str, *, is_bracketed: bool) -> None:
    """Raise `ValueError` for a host that is neither a name nor an address in its one usual spelling."""
    if is_bracketed or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # 2130706433, 0x7f.1 and 017700000001 are 127.0.0.1 to some resolvers and names to others.
        try:
            address = ip_address(host)
        except ValueError:
            raise ValueError("must name its host, or have its address as four decimal numbers or [IPv6]") from None
        if getattr(address, "scope_id", None):
            raise ValueError("must not contain a zone")
    elif not _is_name(host):
        raise ValueError("must name a host")


def _is_name(host: str) -> bool:
    return _NAME.fullmatch(host) is not None and not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2])
