"""The terminal: lines of many processes on one stream, each with its name in front."""

from __future__ import annotations

import os
import select
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

OnLine = Callable[[str], None]

_NAME_WIDTH = 6
_LONGEST_LINE = 65_536
# A pipe that is writable at all takes this much without blocking (PIPE_BUF on Linux).
_BITE = 4096


@dataclass
class _Pipe:
    file: IO[bytes]
    on_line: OnLine
    rest: bytes = b""


class Console:
    """Print what the children say, and what we say ourselves.

    One thread does it all. A reader of ours that stands still costs lines, never the service: nothing here
    waits for it longer than a second.
    """

    def __init__(self, descriptor: int = 1) -> None:
        """Print to a file descriptor."""
        self._descriptor = descriptor
        self._selector = selectors.DefaultSelector()
        self._patience_s = 1.0
        self._lost = 0

    def follow(self, name: str, file: IO[bytes], on_line: OnLine | None = None) -> None:
        """Print the lines of a pipe under a name until it ends, or hand them to `on_line`."""
        os.set_blocking(file.fileno(), False)
        self._selector.register(file, selectors.EVENT_READ, _Pipe(file, on_line or (lambda line: self.say(name, line))))

    def turn(self, timeout_s: float = 0.0) -> None:
        """Pass on what is there to be read, waiting `timeout_s` for it at most."""
        for key, _ in self._selector.select(timeout_s):
            self._read(key.data)

    def say(self, name: str, words: str) -> None:
        """Print lines under a name."""
        for line in words.splitlines():
            self._write(f"{name:<{_NAME_WIDTH}} | {line}\n".encode(errors="replace"))

    def show(self, words: str) -> None:
        """Print lines as they are."""
        self._write(f"{words}\n".encode(errors="replace"))

    def _read(self, pipe: _Pipe) -> None:
        try:
            fresh = os.read(pipe.file.fileno(), _LONGEST_LINE)
        except BlockingIOError:
            return
        *lines, pipe.rest = (pipe.rest + fresh).split(b"\n")
        if pipe.rest and (not fresh or len(pipe.rest) > _LONGEST_LINE):
            lines.append(pipe.rest)
            pipe.rest = b""
        for line in lines:
            pipe.on_line(line.decode(errors="replace").rstrip("\r"))
        if not fresh:
            self._selector.unregister(pipe.file)
            pipe.file.close()

    def _write(self, words: bytes) -> None:
        try:
            if self._lost and self._is_writable(0.0):
                note = f"({self._lost} lines are missing here: nobody read them)\n".encode()
                self._lost = 0
                self._patience_s = 1.0
                words = note + words
            for start in range(0, len(words), _BITE):
                if not self._is_writable(self._patience_s):
                    self._patience_s = 0.0
                    self._lost += 1
                    return
                os.write(self._descriptor, words[start : start + _BITE])
        except OSError:
            # The terminal was closed, or the program we are piped into ended. The service goes on.
            self._lost += 1

    def _is_writable(self, timeout_s: float) -> bool:
        return bool(select.select([], [self._descriptor], [], timeout_s)[1])
