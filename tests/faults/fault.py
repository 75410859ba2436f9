"""What can go wrong between the service and a store: the faults that the proxy knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scripts.waiting import wait_until

PATIENCE_S = 10.0
LONGEST_WORDS = 256


class Kind(StrEnum):
    """What a fault does to the message that it strikes, and to its connection from there on."""

    DROP_REQUEST = "drop_request"  # the request never arrives
    DROP_REPLY = "drop_reply"  # the request is carried out, the answer never arrives
    BLACKHOLE = "blackhole"  # nothing arrives on either side any more; new connections are accepted, and that is all
    DELAY = "delay"  # the message arrives late, the connection is well
    HOLD = "hold"  # the message arrives when the fault is lifted, and not before
    RESET = "reset"  # both sides get RST instead of the message
    CUT = "cut"  # the first bytes of the message arrive, then both sides get RST
    REFUSE = "refuse"  # nobody listens; connections that are there live on


class Way(StrEnum):
    """Where a message goes."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. It strikes messages that go `way` and contain `matching`, the next `times` of them (None: all).

    `hang` says what a lost message leaves behind: a connection that stays open and silent, or one that is closed.
    """

    kind: Kind
    way: Way = Way.REQUEST
    matching: bytes = b""
    times: int | None = None
    hang: bool = True
    delay_s: float = 0.0
    jitter_s: float = 0.0
    cut_at: int = 0


class Injected:
    """A fault under way; `hits` counts the messages and connections that it struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.hits = 0

    def has_hit(self, times: int = 1) -> bool:
        return self.hits >= times

    def await_hits(self, times: int = 1, *, timeout_s: float = PATIENCE_S) -> None:
        assert wait_until(lambda: self.has_hit(times), timeout_s), f"{self.fault} struck {self.hits} of {times} times"

    def takes(self, way: Way, message: bytes, before: bytes) -> bool:
        """Say whether the fault strikes a message, `before` being the bytes that came before it on its connection."""
        fault = self.fault
        if fault.kind is Kind.REFUSE or fault.way is not way or self.hits == fault.times:
            return False
        overlap = len(fault.matching) - 1  # the words looked for may begin in the read before
        return fault.matching in (before[-overlap:] if overlap > 0 else b"") + message
