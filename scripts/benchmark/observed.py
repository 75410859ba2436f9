"""`python -m scripts.benchmark.observed FILE ARGUMENT...`: run a `fairdeal` command, note its peak in FILE.

What the kernel tells a parent (`ru_maxrss`) includes the parent's own memory at the time of the fork: a child of the
benchmark seems to take what the benchmark takes. A process's own high-water mark begins with the program it runs.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_kib() -> int:
    """Return the largest memory (RSS) this process has had, in KiB."""
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


def main() -> None:
    """Run the command, and note its memory however it ends."""
    file = Path(sys.argv[1])
    del sys.argv[1]
    try:
        runpy.run_module("service", run_name="__main__", alter_sys=True)
    finally:
        file.write_text(str(peak_kib()))


if __name__ == "__main__":
    main()
