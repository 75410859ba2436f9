"""Uploads: a file as the body itself or as the one file of a multipart form, spooled to disk where it is large."""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from service.api.errors import BodyTooLarge, UnsupportedMediaType
from service.domain.errors import InvalidInput
from service.usecases.ticket_files import FORMATS_BY_SUFFIX, FileFormat

FORMATS_BY_TYPE = {
    "text/csv": FileFormat.CSV,
    "application/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
    "application/x-jsonlines": FileFormat.NDJSON,
}

MULTIPART = "multipart/form-data"
FIELD = "file"

SPOOL_BYTES = 524_288
"""Larger uploads are kept on disk while they are received."""

_PART_BYTES = 65_536

_READ_ON_BYTES = 268_435_456
"""How much of a body that is too large is read on and thrown away, for its sender to see why."""


def receive(request: Request, *, limit_bytes: int, format_: FileFormat | None) -> tuple[BinaryIO, FileFormat]:
    """Read the upload of a request, of `limit_bytes` at the most, and say how it is written.

    `format_` is what the caller says it is; None leaves it to the media type, or to the file's name. Raises
    `BodyTooLarge`, `UnsupportedMediaType`, `InvalidInput`, `ClientDisconnected`.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed.", accepted=[*FORMATS_BY_TYPE, MULTIPART])
    admit_size(request, limit_bytes)
    if request.mimetype == MULTIPART:
        return _form_file(request, limit_bytes, format_)
    found = format_ or FORMATS_BY_TYPE.get(request.mimetype)
    if found is None:
        given = request.mimetype or "no Content-Type at all"
        raise UnsupportedMediaType(
            f"The file must be sent as text/csv, application/x-ndjson or {MULTIPART}, or with ?format=csv or "
            f"?format=ndjson; this one came as {given}.",
            accepted=[*FORMATS_BY_TYPE, MULTIPART],
        )
    return _spooled(request, limit_bytes), found


def digest(source: BinaryIO) -> str:
    """Tell uploads apart by what is in them, reading piece by piece; the next reader begins at the beginning."""
    source.seek(0)
    digested = sha256()
    while part := source.read(_PART_BYTES):
        digested.update(part)
    source.seek(0)
    return digested.hexdigest()


def admit_size(request: Request, limit_bytes: int) -> None:
    """Let a body of `limit_bytes` be read, more than other requests may bring. Raises `BodyTooLarge`."""
    if request.content_length is not None and request.content_length > limit_bytes:
        raise _too_large(request, limit_bytes)
    request.max_content_length = limit_bytes + 1


def _spooled(request: Request, limit_bytes: int) -> BinaryIO:
    """Copy the body to a file that its reader closes."""
    spool = cast("BinaryIO", SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115 - it outlives this function
    try:
        _copy(request, spool, limit_bytes)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _copy(request: Request, spool: BinaryIO, limit_bytes: int) -> None:
    """Count what comes: where the server marks the end itself, a body that was cut off looks as if it had ended."""
    received = 0
    while part := request.stream.read(_PART_BYTES):
        received += len(part)
        if received > limit_bytes:
            raise _too_large(request, limit_bytes)
        spool.write(part)
    if request.content_length is not None and received < request.content_length:
        raise ClientDisconnected


def _form_file(request: Request, limit_bytes: int, format_: FileFormat | None) -> tuple[BinaryIO, FileFormat]:
    try:
        files = request.files.getlist(FIELD)
    except RequestEntityTooLarge as exc:
        raise _too_large(request, limit_bytes) from exc
    if len(files) != 1:
        raise InvalidInput((FIELD, f"must be the one file of the form, not {len(files)} of that name; send it whole"))
    [file] = files
    by_name = FORMATS_BY_SUFFIX.get(PurePath(file.filename or "").suffix.lower())
    found = format_ or by_name or FORMATS_BY_TYPE.get(file.mimetype)
    if found is None:
        raise InvalidInput(("format", "must be given as csv or ndjson: the file's name and type do not say which"))
    return cast("BinaryIO", file.stream), found


def _too_large(request: Request, limit_bytes: int) -> BodyTooLarge:
    """Word the refusal, having read on: a sender whose connection ends while it sends does not get to see it."""
    if request.environ.get("wsgi.input_terminated"):
        left = _READ_ON_BYTES
        while left > 0 and (part := request.environ["wsgi.input"].read(_PART_BYTES)):
            left -= len(part)
    return BodyTooLarge(
        f"The file may be {limit_bytes:,} bytes long at the most; import it in parts.", limit_bytes=limit_bytes
    )
