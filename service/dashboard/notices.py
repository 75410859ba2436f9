"""What the next page has to say: kept in a signed cookie between a post and the page it leads to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from flask import Response, g, request
from itsdangerous import BadData, URLSafeSerializer

from service.api.services import services
from service.dashboard.cookies import forget, set_cookie

COOKIE = "fairdeal_notices"
MINUTE_S = 60
MOST = 6
"""More than this is more than anybody reads, and a cookie must stay below 4 KB."""

MAX_TEXT = 300

Kind = Literal["done", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for whoever looks at the page."""

    kind: Kind
    text: str


def serializer(purpose: str) -> URLSafeSerializer:
    """Sign what browsers keep for us: a purpose's texts are worth nothing for another."""
    return URLSafeSerializer(services().settings.jwt_secret_key.get_secret_value(), salt=f"fairdeal {purpose}")


def say(kind: Kind, text: str) -> None:
    """Say something on the page that comes next, be it this answer or the one it redirects to."""
    g.setdefault("notices", []).append(Notice(kind, text))


def take() -> list[Notice]:
    """Take what there is to say: of this request, and left by the one before."""
    said: list[Notice] = [*_left(), *g.pop("notices", [])]
    g.notices_shown = True
    return said


def keep(response: Response) -> Response:
    """Leave what was not shown to the next page, and remove what was."""
    unsaid = g.get("notices")
    if unsaid:
        kept = [asdict(Notice(notice.kind, notice.text[:MAX_TEXT])) for notice in [*_left(), *unsaid][:MOST]]
        set_cookie(response, COOKIE, serializer("notices").dumps(kept), max_age=MINUTE_S)
    elif g.get("notices_shown") and COOKIE in request.cookies:
        forget(response, COOKIE)
    return response


def _left() -> list[Notice]:
    try:
        return [Notice(**kept) for kept in serializer("notices").loads(request.cookies.get(COOKIE, ""))]
    except (BadData, TypeError):
        return []
