"""Lua scripts: loaded from files, called by name, run at most once for each call.

A script's header names its KEYS and ARGV; callers pass them by those names, so the two cannot drift apart. A name that
ends in ``...`` takes the rest as a list. ``USES: order`` puts ``shared/order.lua`` in front of the script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import NoScriptError

LUA = Path(__file__).parent / "lua"

_USES = re.compile(r"^-- USES: (\w+)$", re.MULTILINE)
_HEADER = re.compile(r"^-- (KEYS|ARGV):(.*)$", re.MULTILINE)

Argument = str | int | Sequence[str] | Sequence[int]


class Script:
    """One Lua file. `run` never repeats a call whose fate is unknown: only NOSCRIPT, which ran nothing, is answered."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
        header = {kind: tuple(names.split()) for kind, names in _HEADER.findall(source)}
        self.keys = header["KEYS"]
        self.argv = header["ARGV"]

    def run(self, client: Redis, keys: Mapping[str, Argument], argv: Mapping[str, Argument]) -> Any:
        """Run the script on `client`, which must not retry by itself. Raises what redis-py raises."""
        count, arguments = self._arguments(keys, argv)
        try:
            return client.evalsha(self.sha, count, *arguments)
        except NoScriptError:
            return client.eval(self.source, count, *arguments)

    def add_to(self, pipeline: Pipeline, keys: Mapping[str, Argument], argv: Mapping[str, Argument]) -> None:
        """Add the script to a transaction, by its source: NOSCRIPT would be answered after others of it have run."""
        count, arguments = self._arguments(keys, argv)
        pipeline.eval(self.source, count, *arguments)

    def _arguments(self, keys: Mapping[str, Argument], argv: Mapping[str, Argument]) -> tuple[int, list[str | int]]:
        ordered_keys = self._ordered(self.keys, keys)
        return len(ordered_keys), [*ordered_keys, *self._ordered(self.argv, argv)]

    def _ordered(self, names: tuple[str, ...], given: Mapping[str, Argument]) -> list[str | int]:
        if len(given) != len(names):
            raise TypeError(f"{self.name}.lua takes {' '.join(names) or 'nothing'}, not {' '.join(given) or 'nothing'}")
        values: list[str | int] = []
        for name in names:
            value = given[name.removesuffix("...")]
            if name.endswith("..."):
                values.extend(value)  # type: ignore[arg-type]
            else:
                values.append(value)  # type: ignore[arg-type]
        return values


@cache
def script(name: str) -> Script:
    """Load ``lua/<name>.lua`` and what it uses."""
    source = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    used = [(LUA / "shared" / f"{part}.lua").read_text(encoding="utf-8") for part in _USES.findall(source)]
    return Script(name, "\n".join([*used, source]))
