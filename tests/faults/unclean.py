"""What clients must never see: a failure that is anything but a clean 503, or a connection that was lost."""

from __future__ import annotations

from collections import Counter

from tests.faults.load import Load
from tests.faults.stand import Stand

UNAVAILABLE = 503
CLEAN = frozenset({"store_unavailable", "queue_unavailable"})


def unclean(stand: Stand, load: Load) -> list[str]:
    """List the failures that nobody foresaw, with the end of what the web process has to say about them."""
    wrong = Counter(
        f"{operation.kind}: {operation.status} {operation.code}"
        for operation in load.history.ended()
        if operation.status is not None
        and operation.status >= 500
        and (operation.status, operation.code in CLEAN) != (UNAVAILABLE, True)
    )
    said = [line for line in stand.web.log.read_text(errors="replace").splitlines() if "request_failed" in line]
    tracebacks = {line.replace("\\n", "\n")[-2_500:] for line in said[:3]}
    return [f"{times} x {failure}" for failure, times in wrong.items()] + sorted(tracebacks)


def check_clean(stand: Stand, load: Load) -> None:
    """Fail when a client was told anything but a clean 503, and show what happened."""
    found = unclean(stand, load)
    assert not found, "\n".join(found)


def refused(load: Load) -> int:
    """Count the clean 503s."""
    return sum(operation.status == UNAVAILABLE for operation in load.history.ended())
