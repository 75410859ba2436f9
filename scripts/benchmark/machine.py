"""The machine and the versions that figures belong to; no names, no paths."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from service.ticket_queue.client import make_client

if TYPE_CHECKING:
    from scripts.benchmark.stage import Stage


def describe(stage: Stage) -> dict[str, object]:
    """Describe what was measured on."""
    client = make_client(stage.servers.redis_url, timeout_ms=5_000)
    redis = client.info("server")
    client.close()
    memory_kib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 1024**2, 1),
        "kernel": platform.release(),
        "filesystem": _filesystem(stage.servers.directory, Path("/proc/self/mounts").read_text()),
        "python": platform.python_version(),
        "postgresql": stage.databases.version(),
        "redis": f"Valkey {redis['valkey_version']}"
        if "valkey_version" in redis
        else f"Redis {redis['redis_version']}",
        "web": f"{stage.main.settings.web_workers} workers of {stage.main.settings.web_threads} threads",
    }


def _cpu_model(cpuinfo: str) -> str:
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _filesystem(path: Path, mounts: str) -> str:
    """Name the kind of file system that a path lies on: the longest mount point above it."""
    found = [line.split()[1:3] for line in mounts.splitlines()]
    above = [(where, kind) for where, kind in found if path.is_relative_to(where)]
    return max(above, key=lambda each: len(each[0]))[1] if above else "unknown"
