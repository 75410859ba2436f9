"""What processes cost: CPU seconds and memory of whole process trees, read from /proc."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process tree: `rss` counts shared pages in every process, `pss` shares them out."""

    rss: int = 0
    pss: int = 0


def trees(roots: Mapping[str, int]) -> dict[str, list[int]]:
    """Name the living processes below each root, itself included."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):  # it has just ended
                children[int(_fields(int(entry.name))[1])].append(int(entry.name))
    return {name: list(_below(root, children)) for name, root in roots.items()}


def cpu_seconds(pids: Iterable[int]) -> float:
    """Add up user and system time of living processes, with that of the children they have waited for."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            ticks += sum(map(int, _fields(pid)[11:15]))
    return ticks / _TICKS_PER_S


def memory(pids: Iterable[int]) -> Memory:
    """Add up the memory of living processes. Where pages cannot be shared out (no right to look), `pss` is `rss`."""
    rss = pss = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            own = _kib(_PROC / str(pid) / "status", "VmRSS:")
            rss += own
            try:
                pss += _kib(_PROC / str(pid) / "smaps_rollup", "Pss:")
            except OSError:
                pss += own
    return Memory(rss=rss, pss=pss)


def _below(root: int, children: Mapping[int, list[int]]) -> Iterable[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, ())


def _fields(pid: int) -> list[str]:
    """Read the fields of /proc/PID/stat after the name, which may hold spaces and brackets."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _kib(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return 0
