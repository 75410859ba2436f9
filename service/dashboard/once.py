"""Forms that count once, however often they are sent: each carries a key, as requests of the API may.

A double click, a reload and a way back in the browser repeat the post with its key, and are led where the first was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from uuid import UUID, uuid4

import orjson
from flask import g, request
from werkzeug.datastructures import MultiDict

from service.api.access import caller
from service.api.services import services
from service.dashboard import forgery
from service.dashboard.notices import Notice, say
from service.domain.errors import KeyInFlight
from service.usecases.ports.idempotency import Reply

FIELD = "key"


def new_key() -> str:
    """Name the forms of a page: whatever they do, they do once."""
    return str(uuid4())


def once(act: Callable[[UUID | None], str]) -> str:
    """Carry out what a form asks for, unless that was done already; return where to go.

    `act` gets the operation's id, does its work, may `say` things, and returns the address of the next page. What it
    raises is raised here, and the form may be sent again.
    """
    key = request.form.get(FIELD)
    if not key:
        return act(None)

    def operation(operation_id: UUID) -> Reply:
        to = act(operation_id)
        said = [asdict(notice) for notice in g.get("notices", [])]
        return Reply(status=200, headers={}, body=orjson.dumps({"to": to, "notices": said}))

    try:
        reply, is_replay = services().idempotency.once(
            caller().user_id, f"form:{key}", fingerprint=_fingerprint(request.form), operation=operation
        )
    except KeyInFlight:
        say("info", "That is being done already: you asked twice.")
        return request.path.rpartition("/")[0]
    done = orjson.loads(reply.body)
    if is_replay:
        g.notices = [Notice(**notice) for notice in done["notices"]]
    return str(done["to"])


def _fingerprint(form: MultiDict[str, str]) -> str:
    """Tell forms apart by where they go and what they say."""
    fields = sorted((name, value) for name, value in form.items(multi=True) if name != forgery.FIELD)
    return hashlib.sha256(orjson.dumps([request.path, fields])).hexdigest()
