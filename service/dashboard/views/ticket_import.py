"""Tickets from a file: kept, imported by a worker, and watched while that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from uuid import UUID

from flask import Response, request

from service.api.access import caller
from service.api.errors import BodyTooLarge, status_of
from service.api.services import services
from service.api.upload import FIELD, admit_size, digest, receive
from service.dashboard import once
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice, problems_of
from service.dashboard.rendering import go_to, is_unchanged, page, tag, unchanged
from service.domain.errors import FairdealError, InvalidInput
from service.domain.model import Role
from service.usecases.ports.imports import ImportJob, ImportStatus, OnError
from service.usecases.ports.paging import PageRequest
from service.usecases.ticket_files import FileFormat

POLL_S = 2
"""Pause between two looks at an import under way, s; a look that finds nothing new is one statement."""

LATEST = 10
"""Imports listed below the form."""

UNDER_WAY = frozenset({ImportStatus.QUEUED, ImportStatus.RUNNING})


@dashboard.before_app_request
def _admit_files() -> None:
    """Let this one form bring a large body, before anything (its token first) is read from it."""
    if request.endpoint == "dashboard.ticket_import_now":
        admit_size(request, services().settings.max_import_bytes)


@dashboard.teardown_request
def _close_files(_: BaseException | None) -> None:
    """Close what was uploaded, also by a form that was refused before anybody read it."""
    request.close()


@dashboard.get("/tickets/import")
@allow(Role.ADMIN)
def ticket_import() -> Response:
    """Show the form for a file, and the last imports."""
    return _form()


@dashboard.post("/tickets/import")
@allow(Role.ADMIN)
def ticket_import_now() -> Response:
    """Keep a file for a worker, and lead to where its import can be watched."""
    try:
        job = _hand_over()
    except (InvalidInput, BodyTooLarge) as error:
        return _form(_problems(error), status=status_of(error)[0])
    return go_to("dashboard.ticket_import_progress", import_id=job.id)


def _hand_over() -> ImportJob:
    upload = request.files.get(FIELD)
    if upload is None or not upload.filename:
        raise InvalidInput((FIELD, "must be chosen"))
    on_error = choice("on_error", OnError)
    format_ = choice("format", FileFormat) if request.form.get("format") else None
    source, found = receive(request, limit_bytes=services().settings.max_import_bytes, format_=format_)
    with source:
        return services().imports.hand_over(
            source,
            format=found,
            on_error=on_error,
            actor_id=caller().user_id,
            operation_id=_operation(found, on_error, digest(source)),
        )


def _operation(*parts: str) -> UUID:
    """Name what this form asks for: sent again with the same file it is the same, with another file it is not."""
    said = (str(caller().user_id), request.form.get(once.FIELD, ""), *parts)
    return UUID(bytes=sha256("\n".join(said).encode("utf-8", "surrogatepass")).digest()[:16])


def _problems(error: FairdealError) -> dict[str, str]:
    if isinstance(error, InvalidInput):
        return problems_of(error)
    limit = services().settings.max_import_bytes
    return {FIELD: f"may be {limit:,} bytes long at the most; import it in parts"}


def _form(problems: Mapping[str, str] | None = None, *, status: int = HTTPStatus.OK) -> Response:
    return page(
        "admin/ticket_import.html",
        status=status,
        problems=problems or {},
        given=request.form,
        imports=services().imports.page(PageRequest(limit=LATEST, sort="-id")).items,
        limit_mib=services().settings.max_import_bytes // 1_048_576,
    )


@dashboard.get("/tickets/imports/<id:import_id>")
@allow(Role.ADMIN)
def ticket_import_progress(import_id: int) -> Response:
    """Show how far an import has come; 304 where it has come no further."""
    job = services().imports.get(import_id)
    etag = tag("import", job)
    if is_unchanged(etag):
        return unchanged(etag)
    return page(
        "admin/ticket_import_progress.html", job=job, under_way=job.status in UNDER_WAY, poll_s=POLL_S, etag=etag
    )
