"""Mails: what was sent to whom, and what was not."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow
from service.api.openapi import outcomes, resource
from service.api.schemas.mails import MailAnswer, MailPage, MailPath, MailQuery, mail_json
from service.api.services import services
from service.domain.errors import Conflict, NotFound
from service.domain.model import Role

mails = resource("mails", "/api/mails", tag="Notifications", about="What people are told by mail")


@mails.get("", responses=outcomes(200, MailPage))
@allow(Role.ADMIN)
def list_mails(query: MailQuery) -> Response:
    """List mails, the newest first. Sort keys: id, created_at.

    They are kept for a month after they came to their end.
    """
    return answers.page(services().mails.page(query.wanted(), query.request()), mail_json)


@mails.get("/<id:mail_id>", responses=outcomes(200, MailAnswer, NotFound))
@allow(Role.ADMIN)
def read_mail(path: MailPath) -> Response:
    """Read one mail."""
    return answers.answer(mail_json(services().mails.get(path.mail_id)))


@mails.post("/<id:mail_id>/redeliver", responses=outcomes(200, MailAnswer, NotFound, Conflict))
@allow(Role.ADMIN)
def redeliver_mail(path: MailPath) -> Response:
    """Have a mail sent again that is failed, dropped or unknown.

    One that is unknown may have arrived already, and does so once more then, under the same Message-ID.
    """
    return answers.answer(mail_json(services().mails.redeliver(path.mail_id)))
