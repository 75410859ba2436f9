"""Letters written from mails: a plain part and an HTML part that say the same, and headers that nobody can break."""

from __future__ import annotations

import email.policy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from service.domain.mail_rules import parse_address
from service.domain.model import Cause
from service.domain.notices import NoticeKind
from service.domain.wording import duration
from service.usecases.ports.mails import Letter, MailLine, Recipient, RefusedForGood, TakenMail

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_LINES = 50
"""Tickets listed in one letter; of the others only the number is told."""

LONGEST_SUBJECT = 150
LONGEST_NOTE = 300
JOINER = "\u200d"
"""Holds emojis together; the only character that does not show which is let through."""

POLICY = email.policy.SMTP.clone(cte_type="7bit")

TITLES: dict[NoticeKind, tuple[str, str]] = {
    NoticeKind.FETCHED: ("You fetched ticket {id}: {subject}", "You fetched {count} tickets"),
    NoticeKind.ASSIGNED: ("Ticket {id} is now yours: {subject}", "{count} tickets are now yours"),
    NoticeKind.PRIORITY_CHANGED: (
        "Ticket {id} has {priority} priority now: {subject}",
        "{count} of your tickets have another priority now",
    ),
    NoticeKind.HOLD_WARNING: ("Ticket {id} is about to go back: {subject}", "{count} tickets are about to go back"),
    NoticeKind.TAKEN_AWAY: ("Ticket {id} is no longer yours: {subject}", "{count} tickets are no longer yours"),
}

INTRODUCTIONS: dict[NoticeKind, str] = {
    NoticeKind.FETCHED: "You fetched these, the oldest first:",
    NoticeKind.ASSIGNED: "You did not fetch these yourself; they were given to you:",
    NoticeKind.PRIORITY_CHANGED: "Somebody changed the priority of what you hold:",
    NoticeKind.HOLD_WARNING: "You have not begun these. If you want to keep them, begin them now; else they go back to "
    "their places in the queue:",
    NoticeKind.TAKEN_AWAY: "These have left your hands, and there is nothing more for you to do about them:",
}

HAPPENED: dict[Cause, str] = {
    Cause.DISPATCH: "dispatched to you",
    Cause.REASSIGN: "reassigned",
    Cause.RETURN: "put back into the queue",
    Cause.AWAY: "put back into the queue because you were away",
    Cause.HOLD_LIMIT: "put back into the queue because you had not begun it",
    Cause.DELETE: "deleted",
    Cause.DEACTIVATE: "put back into the queue because your account was deactivated",
    Cause.EDIT: "changed",
    Cause.REOPEN: "reopened",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One ticket as a letter shows it."""

    ticket_id: int
    subject: str
    priority: str
    age: str
    happened: str
    note: str
    link: str | None


class Letters:
    """Write letters in one sender's name. With `public_url`, tickets lead to their pages."""

    def __init__(self, *, sender: Address, public_url: str | None, now: Callable[[], datetime]) -> None:
        self._sender = sender
        self._public_url = public_url
        self._now = now

    def letter(self, mail: TakenMail, recipient: Recipient) -> Letter:
        """Write what a mail says; the same Message-ID each time. Raises `RefusedForGood` for an impossible address."""
        # Who has lost a ticket cannot open its page any more.
        home = None if mail.kind is NoticeKind.TAKEN_AWAY else self._public_url
        rows = [_row(line, home) for line in mail.lines]
        words = {
            "name": one_line(recipient.name),
            "title": _title(mail.kind, mail.lines),
            "introduction": INTRODUCTIONS[mail.kind],
            "rows": rows[:MOST_LINES],
            "more": max(0, len(rows) - MOST_LINES),
            "happened_at": mail.happened_at,
            "home": self._public_url,
        }
        name = f"{mail.id}-{mail.kind.value}-{mail.message_id}"
        return self._made(name, mail.message_id, _address(recipient.address, recipient.name), "notice", words)

    def trial(self, address: str) -> Letter:
        """Write a letter that shows that letters arrive."""
        message_id = uuid4()
        words = {"title": "Fairdeal can send you mail", "home": self._public_url}
        return self._made(f"trial-{message_id}", message_id, _address(address, ""), "trial", words)

    def _made(
        self, name: str, message_id: UUID, recipient: Address, template: str, words: Mapping[str, object]
    ) -> Letter:
        message = EmailMessage(POLICY)
        message["From"] = self._sender
        message["To"] = recipient
        message["Subject"] = words["title"]
        message["Date"] = format_datetime(self._now())
        message["Message-ID"] = f"<{message_id}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(self._templates.get_template(f"{template}.txt").render(words))
        message.add_alternative(self._templates.get_template(f"{template}.html").render(words), subtype="html")
        return Letter(
            name=name, sender=self._sender.addr_spec, recipient=recipient.addr_spec, content=message.as_bytes()
        )

    @cached_property
    def _templates(self) -> Environment:
        # Imported here: every job has its parts wired, and only those that write letters need two megabytes for it.
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

        return Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )


def one_line(text: str) -> str:
    """Leave only what shows, on one line: what a header and a list can hold."""
    shown = "".join(letter if letter.isprintable() or letter == JOINER else " " for letter in text)
    return " ".join(shown.split())


def cut(text: str, longest: int) -> str:
    """Shorten a text that is too long."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _row(line: MailLine, home: str | None) -> _Row:
    return _Row(
        ticket_id=line.ticket_id,
        subject=one_line(line.subject),
        priority=line.priority.value,
        age=duration(line.age_s),
        happened=_happened(line),
        note=cut(one_line(line.note), LONGEST_NOTE),
        link=None if home is None else f"{home}/desk/tickets/{line.ticket_id}",
    )


def _title(kind: NoticeKind, lines: Sequence[MailLine]) -> str:
    one, several = TITLES[kind]
    if len(lines) > 1:
        return several.format(count=len(lines))
    [line] = lines
    title = one.format(id=line.ticket_id, subject=one_line(line.subject), priority=line.priority.value)
    return cut(title, LONGEST_SUBJECT)


def _happened(line: MailLine) -> str:
    """Say what was done, and by whom where somebody did it; nothing for what the letter's title says already."""
    if (done := HAPPENED.get(line.cause)) is None:
        return ""
    return done if line.actor is None else f"{done} by {one_line(line.actor)}"


def _address(text: str, name: str) -> Address:
    try:
        return parse_address(text, name=one_line(name))
    except ValueError as exc:
        raise RefusedForGood(f"The address of the recipient {exc}") from exc
