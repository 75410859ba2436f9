"""Tickets from and to files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.errors import UnreadableBody
from service.api.idempotency import once, operation_id, takes_key
from service.api.media import CONTENT_TYPES, CSV, NDJSON
from service.api.openapi import download, outcomes, resource
from service.api.schemas.imports import ImportAnswer, ImportFile, ImportJobAnswer, ImportQuery, job_json, result_json
from service.api.schemas.tickets import ExportQuery
from service.api.services import services
from service.api.upload import digest, receive
from service.domain.model import Role
from service.usecases.ports.imports import ImportJob, OnError
from service.usecases.ticket_files import FileFormat

transfer = resource("transfer", "/api/tickets", tag="Files", about="Tickets from and to files")


@transfer.get("/export", responses=outcomes(200, download(CSV, NDJSON)))
@allow(Role.ADMIN)
def export_tickets(query: ExportQuery) -> Response:
    """Write tickets to a file, in creation order.

    CSV is as RFC 4180 has it, with an apostrophe before texts that a spreadsheet would take for a formula (those that
    begin with `=`, `+`, `-`, `@`, a tab or a carriage return); NDJSON is exact. An answer that breaks off is not
    complete.
    """
    chunks = services().ticket_export.chunks(query.wanted(), format=query.format)
    name = f"tickets-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{query.format}"
    return answers.download(chunks, media_type=CONTENT_TYPES[query.format], name=name)


@transfer.post("/import", responses={**outcomes(200, ImportAnswer, UnreadableBody), **outcomes(202, ImportJobAnswer)})
@allow(Role.ADMIN)
@takes_key
def import_tickets(query: ImportQuery, raw: ImportFile) -> Response:
    """Create tickets from a CSV or NDJSON file: the body itself, or the `file` of a multipart form.

    The columns are `subject` (or `title`), `description`, `priority` and `external_id`; only the first is needed. A row
    whose `external_id` is there already makes no second ticket, so that an import may be repeated. A small file (up to
    256 KiB and 1,000 lines) is imported at once, and the answer (200) tells of every row. A larger one is imported in
    the background: the answer (202) and its `Location` say where to see how far it has come. So it is with a small one
    whose first try, under the same Idempotency-Key, broke off.
    """
    limit = services().settings.max_import_bytes
    source, format_ = receive(raw, limit_bytes=limit, format_=query.format)
    with source:
        return once(
            lambda: _imported(source, format_, query.on_error),
            content=lambda: f"{format_} {query.on_error} {digest(source)}".encode(),
        )


def _imported(source: BinaryIO, format_: FileFormat, on_error: OnError) -> Response:
    done = services().imports.accept(
        source, format=format_, on_error=on_error, actor_id=caller().user_id, operation_id=operation_id()
    )
    if not isinstance(done, ImportJob):
        return answers.answer(result_json(done))
    response = answers.answer(job_json(done), 202)
    response.headers["Location"] = f"/api/imports/{done.id}"
    return response
