"""Hosts of the test's own: network namespaces on one bridge, whose links can be cut in silence. Needs root and `ip`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from types import TracebackType
from typing import Self

from scripts.account import Account
from scripts.ports import LOOPBACK

NOBODY = "02:00:00:00:00:99"
"""The address of no network card: what is sent there is lost without a word, as on a cut cable."""

_FIRST = 2


class Hosts:
    """Hosts by name, each made when it is first asked for. As a context manager, all are gone at the end."""

    def __init__(self) -> None:
        self._net = f"10.213.{os.getpid() % 250}"
        self._bridge = f"fd{os.getpid()}"
        self._addresses: dict[str, str] = {}
        self._cut: list[tuple[str, str]] = []

    @staticmethod
    def can_be_made() -> bool:
        """Try it out."""
        if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("setpriv") is None:
            return False
        try:
            with Hosts() as hosts:
                hosts.address("try")
        except subprocess.CalledProcessError:
            return False
        return True

    def __enter__(self) -> Self:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self._net}.1/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in self._addresses:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self._namespace(name))
        _ip("link", "del", self._bridge)

    @property
    def network(self) -> str:
        """The addresses of all hosts."""
        return f"{self._net}.0/24"

    def address(self, name: str) -> str:
        """Say where a host is."""
        if name not in self._addresses:
            self._addresses[name] = f"{self._net}.{_FIRST + len(self._addresses)}"
            self._make(name)
        return self._addresses[name]

    def within(self, name: str, account: Account | None = None) -> tuple[str, ...]:
        """Name the command that starts another on a host, as an account."""
        self.address(name)
        who = () if account is None else (f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
        return ("ip", "netns", "exec", self._namespace(name), "setpriv", "--pdeathsig", "TERM", *who)

    def cut(self, one: str, other: str) -> None:
        """Let nothing come through between two hosts: no answer, no refusal."""
        for here, there in ((one, other), (other, one)):
            self._neighbour(here, "replace", self.address(there), "lladdr", NOBODY, "nud", "permanent")
        self._cut.append((one, other))

    def mend(self) -> None:
        """Let everything through again."""
        for one, other in self._cut:
            for here, there in ((one, other), (other, one)):
                self._neighbour(here, "del", self.address(there))
        self._cut.clear()

    def _neighbour(self, host: str, change: str, address: str, *more: str) -> None:
        _ip("-n", self._namespace(host), "neigh", change, address, *more, "dev", "eth0")

    def _namespace(self, name: str) -> str:
        return f"{self._bridge}-{name}"

    def _make(self, name: str) -> None:
        namespace, cable = self._namespace(name), f"{self._bridge}e{len(self._addresses)}"
        _ip("netns", "add", namespace)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", cable, "master", self._bridge, "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "addr", "add", f"{self._addresses[name]}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")


class OneHost:
    """Where everything is on this machine."""

    def address(self, _name: str) -> str:
        """Say where a host is."""
        return LOOPBACK

    def within(self, _name: str, _account: Account | None = None) -> tuple[str, ...]:
        """Name no command: nothing needs to be entered."""
        return ()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
