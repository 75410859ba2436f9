"""Who may call what: declared beside each route, enforced in one place before anything else is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import Flask, current_app, g, request

from service.api.services import services
from service.api.tokens import presented_session
from service.domain.errors import Forbidden
from service.domain.model import HandSeen, Principal, Role

View = TypeVar("View", bound=Callable[..., Any])

ANYBODY = (Role.ADMIN, Role.AGENT, Role.OPERATOR)
"""Everybody who is signed in."""

_ATTRIBUTE = "fairdeal_access"


def _session_of_header() -> UUID:
    return presented_session(kind="access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call a route: nobody in particular (no roles), or these roles, or whoever the path speaks of."""

    roles: tuple[Role, ...] = ()
    own: str | None = None
    """The path parameter that holds the caller's own id, where callers may act on themselves."""
    session: Callable[[], UUID] = _session_of_header
    """How the request names its session. The API reads the Authorization header alone: never a cookie, which browsers
    send whoever asks them to. Raises `NotSignedIn`."""
    principal: Callable[[UUID], Principal] | None = None
    """Where a route reads who is calling together with something else; it is read from the session otherwise."""

    @property
    def is_anonymous(self) -> bool:
        """Say whether no sign-in is needed."""
        return not self.roles

    def admits(self, caller: Principal, path: dict[str, Any]) -> bool:
        """Say whether this caller may call the route with these path parameters."""
        return caller.role in self.roles or (self.own is not None and path.get(self.own) == caller.user_id)

    def __str__(self) -> str:
        """Say it for a person."""
        if self.is_anonymous:
            return "anyone"
        return " or ".join([*(role.value for role in self.roles), *(["the user themselves"] if self.own else [])])


def allow(*roles: Role, own: str | None = None, sees_hand: bool = False) -> Callable[[View], View]:
    """Declare the roles that may call a view; `own` names the path parameter that may be the caller's own id.

    With `sees_hand`, the view finds what its caller holds in `hand_seen`.
    """
    return declare(Access(roles=roles, own=own, principal=_principal_with_hand if sees_hand else None))


def _principal_with_hand(session_id: UUID) -> Principal:
    principal, g.hand_seen = services().sessions.principal_and_hand(session_id)
    return principal


def anonymous(view: View) -> View:
    """Declare that a view needs no sign-in."""
    return declare(Access())(view)


def declare(access: Access) -> Callable[[View], View]:
    """Declare who may call a view."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, access)
        return view

    return mark


def access_of(app: Flask, endpoint: str) -> Access | None:
    """Read what an endpoint's view declares; None when it declares nothing, which a test forbids."""
    return getattr(app.view_functions[endpoint], _ATTRIBUTE, None)


def caller() -> Principal:
    """Name who is calling; only in views that need a sign-in."""
    return cast("Principal", g.principal)


def hand_seen() -> HandSeen | None:
    """Return what the caller held when the request was let in, where the view has declared that it needs that."""
    return cast("HandSeen | None", g.get("hand_seen"))


def admit() -> None:
    """Let the request in, or raise `NotSignedIn` or `Forbidden`. A route that declares nothing lets nobody in."""
    if request.endpoint is None:
        return  # no such path or method: answered as that
    access = access_of(current_app, request.endpoint)
    if access is None:
        raise Forbidden("Nobody has been allowed to call this.")
    if access.is_anonymous:
        return
    read = access.principal or services().sessions.principal
    g.principal = principal = read(access.session())
    if not access.admits(principal, request.view_args or {}):
        raise Forbidden(
            f"Only {access} may do this; you are signed in as {principal.role}.",
            needs=[role.value for role in access.roles],
            role=principal.role.value,
        )
