"""Forms that came too late: what was typed is given back after the sign-in, to the same person, to be sent anew.

Nothing is kept here. The sign-in form carries what was typed, signed, in the page of the browser that sent it; whoever
signs in gets it only if they wrote it. It is then shown, and nothing is done until they send it themselves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from flask import Response, g, request
from itsdangerous import BadData

from service.dashboard import forgery, once
from service.dashboard.cookies import PREFIX
from service.dashboard.notices import serializer
from service.dashboard.rendering import page

FIELD = "typed"

FORMS = {
    "ticket_create": "New ticket",
    "ticket_change": "Changes of a ticket",
    "ticket_note": "A note on a ticket",
    "ticket_act_all_now": "Something to be done with tickets",
    "ticket_act_now": "Something to be done with tickets",
    "desk_sell_now": "A sale",
    "desk_release_now": "Tickets to give back",
    "desk_ticket_note": "A note on a ticket",
    "agent_create": "New agent",
    "agent_change": "Changes of an agent",
    "agent_return_now": "Work to be returned",
    "user_create": "New user",
    "user_change": "Changes of a user",
    "customer_create": "New customer",
    "customer_change": "Changes of a customer",
}
"""The views whose forms hold something that somebody typed, and what to call it."""

TEXTS = {
    "subject": "Subject",
    "description": "Description",
    "external_id": "External id",
    "note": "Note",
    "reason": "Reason",
    "name": "Name",
    "email": "Email",
    "username": "Username",
    "first_name": "First name",
    "last_name": "Last name",
    "phone": "Phone",
}
"""The fields to type in, by name; they are shown to be read and changed once more."""

CHOICES = {"priority": "Priority", "agent": "Agent", "level": "Level", "capacity": "Capacity", "act": "What to do"}
"""What was chosen beside it."""

SECRETS = frozenset({"password", "repeated"})
"""Never sent back: whoever sent them types them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A form as it came: whose, where to, from which page, and its fields in order."""

    user_id: int
    what: str
    action: str
    back: str
    fields: tuple[tuple[str, str], ...]

    @property
    def texts(self) -> dict[str, str]:
        """Tell what was typed."""
        return {name: text for name, text in self.fields if name in TEXTS}

    @property
    def choices(self) -> dict[str, str]:
        """Tell what was chosen, worded."""
        return {CHOICES[name]: text for name, text in self.fields if name in CHOICES and text}

    @property
    def tickets(self) -> list[str]:
        """Number the tickets it is about."""
        return [text.partition(":")[0] for name, text in self.fields if name in {"ticket", "seen"}]

    @property
    def asks_password(self) -> bool:
        """Say whether a password was left out."""
        return self.what in {FORMS["agent_create"], FORMS["user_create"]}

    @property
    def rest(self) -> list[tuple[str, str]]:
        """List what goes along unseen."""
        return [(name, text) for name, text in self.fields if name not in TEXTS]


def typed() -> Typed | None:
    """Read what this request's form holds; None where nobody typed anything, or its author is not known."""
    what = FORMS.get((request.endpoint or "").removeprefix("dashboard."))
    author = forgery.author() if what is not None and request.method == "POST" else None
    fields = tuple(
        (name, text)
        for name, text in request.form.items(multi=True)
        if name not in SECRETS and name not in {forgery.FIELD, FIELD}
    )
    if what is None or author is None or not any(text.strip() for name, text in fields if name in TEXTS):
        return None
    return Typed(user_id=author, what=what, action=request.path, back=shown_on(), fields=fields)


def dumps(found: Typed) -> str:
    """Write it down for the browser to carry through the sign-in."""
    return str(serializer("typed").dumps(asdict(found)))


def carried() -> Typed | None:
    """Read what the sign-in form carries; None where that is nothing, or not ours."""
    try:
        found = serializer("typed").loads(request.form.get(FIELD, ""))
        return Typed(**{**found, "fields": tuple((str(name), str(text)) for name, text in found["fields"])})
    except (BadData, TypeError, KeyError, ValueError):
        return None


def give_back(found: Typed, *, status: int = 200) -> Response:
    """Show somebody what they typed, to be sent or left: the form's key stays, so that it still counts once."""
    has_key = any(name == once.FIELD for name, _ in found.fields)
    return page("typed.html", status=status, typed=found, labels=TEXTS, has_key=has_key)


def is_authors(found: Typed | None) -> bool:
    """Say whether it was typed by whoever is signed in."""
    principal = g.get("principal")
    return found is not None and principal is not None and principal.user_id == found.user_id


def shown_on() -> str:
    """Address the page that the form was on; empty where the browser does not say."""
    told = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    address = f"{told.path}?{told.query}" if told.query else told.path
    return address if is_ours(address) else ""


def is_ours(address: str) -> bool:
    """Say whether an address is one of the page's own, so that nobody is led elsewhere."""
    return address.startswith(f"{PREFIX}/") and "\\" not in address and address.isprintable()
