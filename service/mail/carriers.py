"""Which carrier the settings call for."""

from __future__ import annotations

from pathlib import Path

from service.domain.mail_rules import parse_smtp_url
from service.mail.folder import FolderCarrier
from service.mail.smtp import SmtpCarrier
from service.usecases.ports.mails import Carrier


def make_carrier(smtp_url: str | None, var_dir: Path) -> Carrier:
    """Make what carries letters: to the server that is named, else into a folder."""
    return FolderCarrier(var_dir / "outbox") if smtp_url is None else SmtpCarrier(parse_smtp_url(smtp_url))
