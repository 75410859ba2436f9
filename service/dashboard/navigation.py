"""What there is to go to, by role: the first of a role's places is where they begin."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.model import Role

EVERYBODY = (Role.ADMIN, Role.AGENT, Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation: a view, and who sees it."""

    label: str
    endpoint: str
    roles: tuple[Role, ...] = EVERYBODY
    section: str = ""
    """The endpoints that begin so belong to this entry too."""

    def holds(self, endpoint: str | None) -> bool:
        """Say whether a view belongs here."""
        return endpoint == self.endpoint or bool(self.section and (endpoint or "").startswith(self.section))


PLACES: tuple[Place, ...] = (
    Place("My desk", "dashboard.desk", (Role.AGENT,), section="dashboard.desk"),
    Place("Tickets", "dashboard.tickets", (Role.ADMIN,), section="dashboard.ticket"),
    Place("Agents", "dashboard.agents", (Role.ADMIN,), section="dashboard.agent"),
    Place("Users", "dashboard.users", (Role.ADMIN,), section="dashboard.user"),
    Place("Customers", "dashboard.customers", (Role.ADMIN,), section="dashboard.customer"),
    Place("Operations", "dashboard.operations", (Role.OPERATOR, Role.ADMIN), section="dashboard.operations"),
    Place("Account", "dashboard.account", section="dashboard.account"),
)


def places(role: Role) -> tuple[Place, ...]:
    """List the entries for a role."""
    return tuple(place for place in PLACES if role in place.roles)


def home(role: Role) -> Place:
    """Say where a role begins."""
    return places(role)[0]
