"""Which carrier the settings call for."""

from __future__ import annotations

from pathlib import Path

from service.domain.mail_rules import parse_smtp_url
from service.mail.folder import FolderCarrier
from service.usecases.ports.mails import Carrier


def make_carrier(smtp_url: str | None, var_dir: Path) -> Carrier:
    """Make what carries letters: to the server that is named, else into a folder."""
    if smtp_url is None:
        return FolderCarrier(var_dir / "outbox")
    # Imported here: only one process of a service talks to mail servers, and every job has its parts wired.
    from service.mail.smtp import SmtpCarrier

    return SmtpCarrier(parse_smtp_url(smtp_url))
