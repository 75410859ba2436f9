"""Letters put into a folder, for a service without a mail server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from service.usecases.ports.mails import CarrierUnavailable, Letter

KEPT = 1_000
"""Files left in the folder; the oldest beyond that are removed."""


class FolderCarrier:
    """Write each letter to a file of its own, `NAME.eml`, which mail programs open. A letter appears whole, or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = False

    def send(self, letter: Letter, *, hand_over: Callable[[], None]) -> None:
        """Write beside, and rename when it is handed over. Raises `CarrierUnavailable`."""
        beside = self._folder / f".{letter.name}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(beside, letter.content)
        except OSError as exc:
            raise CarrierUnavailable(f"The folder for letters cannot be written to ({exc.strerror})") from exc
        try:
            hand_over()
            beside.replace(self._folder / f"{letter.name}.eml")
        except OSError as exc:
            raise CarrierUnavailable(f"The folder for letters cannot be written to ({exc.strerror})") from exc
        finally:
            beside.unlink(missing_ok=True)
        self._written = True

    def where(self) -> str:
        """Name the folder."""
        return str(self._folder)

    def close(self) -> None:
        """Keep the folder from growing for ever."""
        if self._written:
            self._written = False
            letters = sorted(self._folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)
            for old in letters[:-KEPT]:
                old.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, and have it on the disk before this returns."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - a mode is needed
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
