"""Calls to the system that never wait, made without giving the interpreter up.

Python gives its lock up around every call to the system. Where many threads want it, one of them is woken for each, and
mostly for nothing: the caller has the lock back before it runs (docs/adr/0050).
"""

from __future__ import annotations

import ctypes
import select

_OF_C = ctypes.PyDLL(None)
"""The C library, called with the interpreter's lock held."""


class _PollFd(ctypes.Structure):
    """`struct pollfd` of poll(2)."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


_poll = _OF_C.poll
_poll.argtypes = (ctypes.POINTER(_PollFd), ctypes.c_ulong, ctypes.c_int)
_poll.restype = ctypes.c_int


def has_input(fd: int) -> bool:
    """Say whether something can be read from a file descriptor, or its other end is closed."""
    return int(_poll(ctypes.byref(_PollFd(fd, select.POLLIN, 0)), 1, 0)) > 0
