"""The page's routes hang here, all below `/app`; each declares who may see it, as every route of the service does."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from service.api.access import Access, View, declare
from service.dashboard import forgery, notices
from service.dashboard.cookies import PREFIX, session_of_cookies, set_cookies
from service.domain.model import Role

dashboard = Blueprint("dashboard", "service.dashboard", url_prefix=PREFIX, template_folder="templates")
dashboard.before_request(forgery.refuse)
dashboard.after_request(set_cookies)
dashboard.after_request(notices.keep)


def allow(*roles: Role) -> Callable[[View], View]:
    """Declare the roles that may see a view, signed in by cookie."""
    return declare(Access(roles=roles, session=session_of_cookies))
