"""Mails and what people want to be told, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.api.schemas.fields import Flag, Id, QueryId, Several
from service.api.schemas.paging import PageAnswer, Paging
from service.api.schemas.shape import Answer, Input, documented
from service.domain.notices import NoticeKind
from service.usecases.ports.mails import Mail, MailFilter, MailState
from service.usecases.ports.paging import PageRequest


class MailPath(Input):
    """Which mail."""

    mail_id: Id


class MailQuery(Paging):
    """Which mails to list, and which page of them."""

    sort: Annotated[str, StringConstraints(pattern=r"^-?[a-z_]{1,40}$")] = Field(
        default="-id", description="Key to sort by; a leading `-` turns the order round"
    )
    state: Annotated[list[MailState], Several] = Field(default=[], description="States to list; left out: all")
    kind: Annotated[list[NoticeKind], Several] = Field(default=[], description="Kinds to list; left out: all")
    user_id: QueryId | None = Field(default=None, description="Mails to this user alone")

    def wanted(self) -> MailFilter:
        """Say it in the use case's words."""
        return MailFilter(states=tuple(self.state), kinds=tuple(self.kind), user_id=self.user_id)

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class MailAnswer(Answer):
    """A mail: whom it tells what, and what became of it."""

    id: int
    user_id: int
    kind: NoticeKind
    state: MailState = Field(
        description="`waiting` for its turn or its next try; `sending`; `sent`; `failed`: refused, or given up; "
        "`unknown`: handed over, and the server never answered; `dropped`: nobody to send it to"
    )
    ticket_ids: list[int]
    message_id: str = Field(description="Begins the Message-ID, the same however often the mail is sent")
    attempts: int
    attempts_allowed: int = Field(description="After as many attempts it is given up")
    happened_at: datetime = Field(description="When that happened which it tells of")
    created_at: datetime
    next_try_at: datetime | None = Field(description="null: it does not wait")
    handed_over_at: datetime | None
    settled_at: datetime | None
    sent_to: str | None
    last_error: str | None = Field(description="Why the last attempt failed, also where a later one did not")


class MailPage(PageAnswer):
    """One page of mails."""

    items: list[MailAnswer]


class PreferencesInput(Input):
    """Which kinds of mail to get; what is left out is on."""

    model_config = documented({"fetched": False, "assigned": True, "priority_changed": True})

    fetched: Flag = Field(default=True, description="The list of what they fetched themselves")
    assigned: Flag = Field(default=True, description="Tickets given to them by dispatch or by an admin")
    priority_changed: Flag = Field(default=True, description="Another priority of a ticket they hold")
    hold_warning: Flag = Field(default=True, description="Tickets that are about to go back")
    taken_away: Flag = Field(default=True, description="Tickets that were taken from them")

    def wanted(self) -> dict[NoticeKind, bool]:
        """Say it in the use case's words."""
        return {kind: getattr(self, kind.value) for kind in NoticeKind}


class PreferencesAnswer(Answer):
    """Which kinds of mail a user gets, as long as they have an address and are active."""

    fetched: bool
    assigned: bool
    priority_changed: bool
    hold_warning: bool
    taken_away: bool


def preferences_json(preferences: Mapping[NoticeKind, bool]) -> dict[str, bool]:
    """Describe what a user gets."""
    return {kind.value: is_on for kind, is_on in preferences.items()}


def mail_json(mail: Mail) -> dict[str, Any]:
    """Describe a mail."""
    return {
        "id": mail.id,
        "user_id": mail.user_id,
        "kind": mail.kind,
        "state": mail.state,
        "ticket_ids": list(mail.ticket_ids),
        "message_id": str(mail.message_id),
        "attempts": mail.attempts,
        "attempts_allowed": mail.attempts_allowed,
        "happened_at": mail.happened_at,
        "created_at": mail.created_at,
        "next_try_at": mail.next_try_at,
        "handed_over_at": mail.handed_over_at,
        "settled_at": mail.settled_at,
        "sent_to": mail.sent_to,
        "last_error": mail.last_error,
    }
