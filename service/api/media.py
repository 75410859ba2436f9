"""The media types of files of tickets."""

from __future__ import annotations

from service.usecases.ticket_files import FileFormat

CSV = "text/csv"
NDJSON = "application/x-ndjson"

CONTENT_TYPES = {FileFormat.CSV: f"{CSV}; charset=utf-8; header=present", FileFormat.NDJSON: NDJSON}
