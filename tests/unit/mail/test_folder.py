"""Letters as files: whole or not at all, for their owner's eyes, and not without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.mail import folder as module
from service.mail.folder import FolderCarrier
from service.usecases.ports.mails import CarrierUnavailable, Letter

LETTER = Letter(name="8-fetched-abc", sender="desk@example.com", recipient="ann@example.com", content=b"Subject: x\r\n")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_letter_appears_when_it_is_handed_over(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "outbox"
    seen: list[list[str]] = []
    FolderCarrier(folder).send(LETTER, hand_over=lambda: seen.append(names(folder)))
    assert seen == [[".8-fetched-abc.part"]]
    assert names(folder) == ["8-fetched-abc.eml"]
    file = folder / "8-fetched-abc.eml"
    assert file.read_bytes() == LETTER.content
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_letter_that_may_not_be_handed_over_leaves_nothing(tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyError("another has it")

    with pytest.raises(KeyError):
        FolderCarrier(tmp_path).send(LETTER, hand_over=refuse)
    assert names(tmp_path) == []


def test_the_same_letter_again_is_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        FolderCarrier(tmp_path).send(LETTER, hand_over=lambda: None)
    assert names(tmp_path) == ["8-fetched-abc.eml"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")
    with pytest.raises(CarrierUnavailable, match="cannot be written to"):
        FolderCarrier(tmp_path / "outbox").send(LETTER, hand_over=lambda: pytest.fail("handed over"))


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    carrier = FolderCarrier(tmp_path)
    for age in range(5, 0, -1):
        carrier.send(Letter(name=f"{age}", sender="", recipient="", content=b""), hand_over=lambda: None)
        os.utime(tmp_path / f"{age}.eml", (1_000 - age, 1_000 - age))
    (tmp_path / "kept.txt").write_text("not ours")
    carrier.close()
    assert names(tmp_path) == ["1.eml", "2.eml", "kept.txt"]
