"""ETags on tickets: the epoch, which rises with every change of hands."""

from __future__ import annotations

import re

from flask import Response, request

from service.api.errors import MalformedPrecondition
from service.domain.model import Ticket

_ETAG = re.compile(r'"([0-9]{1,10})"')


def set_etag(response: Response, ticket: Ticket) -> None:
    """Tell the client which epoch it is looking at."""
    response.headers["ETag"] = f'"{ticket.epoch}"'


def expected_epoch() -> int | None:
    """Read the epoch that the client insists on; None when it does not care (no If-Match, or `*`).

    Raises `MalformedPrecondition`.
    """
    given = request.headers.get("If-Match", "*").strip()
    if given == "*":
        return None
    etag = _ETAG.fullmatch(given)
    if etag is None:
        raise MalformedPrecondition('If-Match must repeat the ticket\'s ETag, quotes included, such as "3".')
    return int(etag[1])
