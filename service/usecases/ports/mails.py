"""Mails: what is kept of them, and what carries them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from service.domain.model import Cause, Page, Priority, TicketStatus
from service.domain.notices import NoticeKind
from service.usecases.ports.paging import PageRequest


class MailState(StrEnum):
    """Where a mail stands."""

    WAITING = "waiting"
    """For its turn, or for its next try."""
    SENDING = "sending"
    """In the hands of a sender."""
    SENT = "sent"
    """Accepted by the server, or written to the folder."""
    FAILED = "failed"
    """Refused for good, or tried too often."""
    UNKNOWN = "unknown"
    """Handed over, and nobody knows what became of it: it is not sent again by itself."""
    DROPPED = "dropped"
    """Its reader had no address any more, or was not active, when it was to be sent."""


REDELIVERABLE = frozenset({MailState.FAILED, MailState.UNKNOWN, MailState.DROPPED})
"""States from which an admin may have a mail sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLine:
    """One ticket in a mail: what happened to it, and how it stands now."""

    ticket_id: int
    subject: str
    status: TicketStatus
    priority: Priority
    age_s: float
    cause: Cause
    actor: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets a mail."""

    address: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it is kept. `attempts` counts how often a sender has taken it."""

    id: int
    user_id: int
    kind: NoticeKind
    state: MailState
    ticket_ids: tuple[int, ...]
    message_id: UUID
    attempts: int
    attempts_allowed: int
    happened_at: datetime
    created_at: datetime
    next_try_at: datetime | None
    handed_over_at: datetime | None
    settled_at: datetime | None
    sent_to: str | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMail:
    """A mail in a sender's hands: `attempt` is the number of the try, under which alone its end may be written.

    Without a `recipient` it is to be dropped.
    """

    id: int
    attempt: int
    tries_left: int
    """How often it may be tried after this try."""
    kind: NoticeKind
    message_id: UUID
    happened_at: datetime
    recipient: Recipient | None
    lines: tuple[MailLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFilter:
    """Which mails to list; empty or None means any."""

    states: tuple[MailState, ...] = ()
    kinds: tuple[NoticeKind, ...] = ()
    user_id: int | None = None


class MailStore(Protocol):
    """Mails in PostgreSQL, by its clock alone. Every method may raise `StoreUnavailable`."""

    def is_wanted(self, *, silent_s: float) -> bool:
        """Say whether there are lines of history that concern somebody, mails that are due, or ones a sender has left.

        Lines that concern nobody are passed over on the way: a job to read them would cost more than they do.
        """

    def plan(self, *, limit: int, attempts_allowed: int, fresh_s: float) -> int:
        """Read on in the history, `limit` lines at most, and count them; write the mails they call for.

        Both in one transaction, so that every line leads to its mails once. Nobody is told what is older than `fresh_s`
        seconds, what they have turned off, or while they have no address or are not active.
        """

    def settle_abandoned(self, *, silent_s: float) -> tuple[int, int]:
        """Find mails that their senders have left, count those that wait again and those whose outcome is unknown.

        A mail that was taken longer than `silent_s` ago and not handed over waits again; one that was handed over so
        long ago is `unknown` from then on.
        """

    def take(self) -> TakenMail | None:
        """Take the mail that has been due for longest, and raise its number of attempts; None: nothing is due."""

    def hand_over(self, mail: TakenMail, *, address: str) -> bool:
        """Note that the message is about to be sent; False when another sender has taken the mail meanwhile."""

    def settle(self, mail: TakenMail, state: MailState, *, error: str | None = None) -> bool:
        """Write the end of a mail that is still this sender's; what it said of a failure before stays."""

    def retry(self, mail: TakenMail, *, pause_s: float, error: str) -> bool:
        """Let a mail that was certainly not accepted wait for its next try."""

    def postpone(self, *, pause_s: float) -> None:
        """Let all that is due wait for so long."""

    def page(self, wanted: MailFilter, request: PageRequest) -> Page[Mail]:
        """List mails by keyset."""

    def get(self, mail_id: int) -> Mail | None:
        """Read one."""

    def redeliver(self, mail_id: int, *, attempts_allowed: int) -> Mail | None:
        """Let a mail at an unhappy end wait again, for so many more tries; None: it is not at one."""

    def prune(self, *, older_than_s: float, limit: int) -> int:
        """Remove mails that came to their end so long ago, `limit` at most, and count them."""


class PreferenceStore(Protocol):
    """What people want to be told. Every method may raise `StoreUnavailable`."""

    def muted(self, user_id: int) -> frozenset[str] | None:
        """Read what a user has turned off; None: there is no such user."""

    def mute(self, user_id: int, kinds: frozenset[str]) -> bool:
        """Write it; False when there is no such user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message ready to be sent: `name` is unique to its mail, `content` is what travels."""

    name: str
    sender: str
    recipient: str
    content: bytes


class NotSent(Exception):
    """A letter was not sent, or perhaps not: `why` is for whoever looks into it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RefusedForGood(NotSent):
    """The server will not have this letter, now or later."""


class RefusedForNow(NotSent):
    """The letter was certainly not accepted; another time it may be."""


class CarrierUnavailable(NotSent):
    """No letter can be sent at all just now; this one certainly was not."""


class OutcomeUnknown(NotSent):
    """The letter was handed over whole, and then nothing was heard: it may have been accepted."""


class Carrier(Protocol):
    """What carries letters."""

    def send(self, letter: Letter, *, hand_over: Callable[[], None]) -> None:
        """Send a letter; return when it has been accepted.

        `hand_over` is called once, when all is ready and nothing has been sent yet that could be taken for the letter.
        What it raises goes on to the caller, and nothing is sent. Raises the four kinds of `NotSent`.
        """

    def where(self) -> str:
        """Say where letters go, without secrets."""

    def close(self) -> None:
        """Let go of the connection; another `send` makes a new one."""


class LetterWriter(Protocol):
    """What makes a letter of a mail."""

    def letter(self, mail: TakenMail, recipient: Recipient) -> Letter:
        """Write the mail. Raises `RefusedForGood` for an address that is none."""

    def trial(self, address: str) -> Letter:
        """Write a letter that only shows that letters arrive. Raises `RefusedForGood` as above."""
