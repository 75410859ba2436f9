"""How often a password may be guessed, and what counts as one guesser: one name, one place."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

NETWORK_BITS = 64
"""Bits of an IPv6 address that name a customer's network: whoever has one has all the addresses in it."""

NOWHERE = "nowhere"
"""The place of whoever has no address: a client at a UNIX socket."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many wrong passwords at once, regained evenly over the window (seconds)."""

    tries: int
    window_s: float

    @property
    def every_s(self) -> float:
        """The time in which one try is regained."""
        return self.window_s / self.tries


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLimits:
    """What one account allows, and one address."""

    account: Budget
    address: Budget


def spelling(username: str) -> str:
    """Spell a name so that all that a database takes for one account are one name, and perhaps some others with it."""
    plain = unicodedata.normalize("NFKD", username.strip())
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


def place(address: str | None) -> str:
    """Name where a client is: its IPv4 address, or its network of IPv6."""
    if not address:
        return NOWHERE
    try:
        read = ip_address(address)
    except ValueError:
        return address
    if not isinstance(read, IPv6Address):
        return str(read)
    if read.ipv4_mapped:
        return str(read.ipv4_mapped)
    return f"{IPv6Address(int(read) >> NETWORK_BITS << NETWORK_BITS)}/{NETWORK_BITS}"
