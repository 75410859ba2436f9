"""Marks by which a browser is known to have signed somebody in (OWASP: device cookies).

A mark gives no way in. Whoever has one is counted apart from strangers, so that nobody at an owner's own address can
keep the owner waiting; what it is worth to a thief is one budget of tries at one account. The browser alone keeps it.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable

from service.domain.sign_in_limits import spelling

LIFE_S = 30 * 24 * 3600
"""How long a mark is believed."""

_SHAPE = re.compile(r"([0-9a-f]{8,10})\.([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)


class Devices:
    """Make marks, and tell one's own from others, by a `secret`."""

    def __init__(self, secret: bytes, *, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now

    def mark(self, username: str) -> str:
        """Make a mark for a browser in which this account has just been signed in."""
        until, name = f"{int(self._now()) + LIFE_S:08x}", secrets.token_hex(16)
        return f"{until}.{name}.{self._seal(username, until, name)}"

    def read(self, username: str, mark: str | None) -> str | None:
        """Name the browser, if the mark is one of ours, for this account, and not too old."""
        found = _SHAPE.fullmatch(mark or "")
        if found is None:
            return None
        until, name, seal = found.groups()
        is_ours = hmac.compare_digest(seal, self._seal(username, until, name))
        return name if is_ours and int(until, 16) > self._now() else None

    def _seal(self, username: str, until: str, name: str) -> str:
        sealed = repr(("device", spelling(username), until, name)).encode("ascii", "backslashreplace")
        return hmac.digest(self._secret, sealed, "sha256").hex()
