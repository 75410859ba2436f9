"""Use cases without stores: enough of each to see what the HTTP layer asks for and how it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from service.config import Settings, load
from service.domain.errors import FairdealError, NotFound, NotSignedIn, WrongCredentials
from service.domain.model import (
    Agent,
    Availability,
    Cause,
    Customer,
    Level,
    Page,
    Principal,
    Priority,
    Role,
    Ticket,
    TicketEvent,
    TicketStatus,
    User,
)
from service.domain.notices import NoticeKind
from service.domain.service_levels import Measure
from service.domain.webhooks import Delivery, DeliveryKind, DeliveryState, Webhook
from service.meters import Meters
from service.usecases.assignments import Hand
from service.usecases.explanation import Explanation, Prospect, QueuePlace
from service.usecases.figures import State
from service.usecases.health import HealthPart, HealthReport, HealthStatus
from service.usecases.lifecycle import ItemResult
from service.usecases.operations import Mode
from service.usecases.ports.dispatch import Takers
from service.usecases.ports.erasure import Erasure
from service.usecases.ports.explanation import Act
from service.usecases.ports.imports import ImportJob, ImportStatus, OnError
from service.usecases.ports.mails import Mail, MailState
from service.usecases.ports.reconcile import Reconciliation, RunStatus, Tier
from service.usecases.ports.sessions import SessionTokensData
from service.usecases.queue_stats import QueueState
from service.usecases.service_levels import ServiceLevel
from service.usecases.ticket_files import FileFormat, RowError
from service.usecases.ticket_import import ImportBatch, ImportedRow
from tests.unit.api.dispatch_fake import DISPATCH

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
PASSWORD = "Correct-Horse-9"
ERASURE = Erasure(customer_id=5, tickets=2, texts=0, replies=1, kept_texts=0, dry_run=False)


def a_ticket(ticket_id: int = 7, **values: Any) -> Ticket:
    """Make a ticket."""
    plain = Ticket(
        id=ticket_id, subject="Printer on fire", description="", priority=Priority.MEDIUM, status=TicketStatus.OPEN,
        agent_id=None, created_by=1, customer_id=None, epoch=3, created_at=NOW, updated_at=NOW, assigned_at=None,
        resolved_at=None, sold_at=None,
    )  # fmt: skip
    return plain._replace(**values)


def a_user(user_id: int = 1, **values: Any) -> User:
    """Make a user."""
    plain = User(
        id=user_id, username="root", email=None, first_name="", last_name="", phone="", role=Role.ADMIN,
        is_active=True, created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(plain, **values)


def an_agent(agent_id: int = 2, **values: Any) -> Agent:
    """Make an agent."""
    plain = Agent(
        id=agent_id, username="ann", email=None, first_name="", last_name="", phone="", is_active=True,
        level=Level.JUNIOR, availability=Availability.AVAILABLE, auto_assign=False, capacity=15, held=0,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(plain, **values)


CUSTOMER = Customer(id=5, name="Ada", email="ada@example.com", created_at=NOW, updated_at=NOW)
EVENT = TicketEvent(
    id=1, ticket_id=7, cause=Cause.CREATE, from_status=None, to_status=TicketStatus.OPEN, agent_id=None, actor_id=1,
    epoch=0, note="", at=NOW,
)  # fmt: skip
RUN = Reconciliation(
    id=4, tier=Tier.FULL, trigger="api", dry_run=False, status=RunStatus.QUEUED, requested_by=1, requested_at=NOW,
    started_at=None, finished_at=None, found={}, confirmed={}, repaired={}, false_candidates={}, rows_compared=0,
    oldest_drift_ms=None, error=None,
)  # fmt: skip

IMPORTED = [
    ImportBatch(rows=(ImportedRow(2, 7), ImportedRow(3, 5, is_new=False)), errors=(RowError(4, "is bad"),), line=4)
]
IMPORT = ImportJob(
    id=9, format=FileFormat.CSV, on_error=OnError.SKIP, status=ImportStatus.RUNNING, requested_by=1, size_bytes=500_000,
    lines=5_001, attempt=1, line=1_001, imported=999, already_there=0, bad=1,
    errors=(RowError(4, "is bad"),), error=None, requested_at=NOW, started_at=NOW, finished_at=None,
)  # fmt: skip

MAIL = Mail(
    id=8, user_id=2, kind=NoticeKind.FETCHED, state=MailState.WAITING, ticket_ids=(7,), message_id=UUID(int=8),
    attempts=1, attempts_allowed=14, happened_at=NOW, created_at=NOW, next_try_at=NOW, handed_over_at=None,
    settled_at=None, sent_to=None, last_error="The server said: 451 later",
)  # fmt: skip

ACT = Act(cause=Cause.CREATE, actor_id=1, actor="root", at=NOW, age_s=1.5, note="")
LEVEL = ServiceLevel(
    ticket_id=7, priority=Priority.MEDIUM, overdue=False, held_s=0.0, age_s=1.5,
    assignment=Measure(target_s=60, took_s=None, missed=False),
    resolution=Measure(target_s=60, took_s=1.0, missed=False),
)  # fmt: skip
EXPLAINED = Explanation(
    ticket=a_ticket(), agent=None, handed=ACT, entered=ACT, warned=ACT,
    queue=QueuePlace(priority=Priority.MEDIUM, rank=1, rank_is_exact=True, queued=None, trusted=None),
    may_take={Level.SENIOR: 0, Level.JUNIOR: 2},
    dispatch=Prospect(can_be_given=True, takers={Level.JUNIOR: Takers(willing=1)}, words="So."),
    words=("Ticket 7 is open.",),
)  # fmt: skip

WEBHOOK = Webhook(
    id=3, url="https://hooks.example/x", description="", causes=(Cause.SELL,), is_active=True, disabled_at=None,
    disabled_why=None, failures=0, given_up=0, failing_since=None, delivered=5, created_by=1, created_at=NOW,
    updated_at=NOW,
)  # fmt: skip
DELIVERY = Delivery(
    id=11, message_id=UUID(int=7), webhook_id=3, kind=DeliveryKind.EVENTS, event_ids=(1,), state=DeliveryState.PENDING,
    attempts=1, next_try_at=NOW, last_tried_at=NOW, last_status=500, last_error="answered 500", last_duration_ms=12,
    created_at=NOW, finished_at=None,
)  # fmt: skip


def one_page(*items: Any) -> Page[Any]:
    """Make a page that is followed by another."""
    return Page(items=items, next="bmV4dA", total=120, total_is_exact=True)


@dataclass
class Recorder:
    """Answer every method with what was set for it, and keep what it was called with."""

    results: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self.results:
            raise AttributeError(name)

        def method(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            result = self.results[name]
            if isinstance(result, BaseException):
                raise result
            return result

        return method

    @property
    def last(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The latest call."""
        return self.calls[-1]


class FakeSessions:
    """Sessions in memory: the password is always the same one."""

    def __init__(self) -> None:
        self.users = {
            Role.ADMIN: a_user(1, username="root"),
            Role.AGENT: a_user(2, username="ann", role=Role.AGENT),
            Role.OPERATOR: a_user(3, username="olga", role=Role.OPERATOR),
        }
        self.open: dict[UUID, tuple[User, UUID]] = {}
        self.password_changes: list[dict[str, str]] = []
        self.life = timedelta(days=14)
        self.failure: Exception | None = None
        self.addresses: list[str | None] = []

    def login(
        self,
        username: str,
        password: str,
        *,
        address: str | None,
        session_id: UUID | None = None,
        life: timedelta | None = None,
    ) -> SessionTokensData:
        """Open a session."""
        self.addresses.append(address)
        user = next((user for user in self.users.values() if user.username == username), None)
        if user is None or password != PASSWORD:
            raise WrongCredentials("The username or the password is wrong")
        return self._opened(session_id or uuid4(), user)

    def refresh(self, session_id: UUID, refresh_jti: UUID) -> SessionTokensData:
        """Rotate."""
        user, jti = self.open.get(session_id, (None, None))
        if user is None or jti != refresh_jti:
            raise NotSignedIn("The session is over", reason="revoked")
        return self._opened(session_id, user)

    def revoke(self, session_id: UUID) -> None:
        """Close a session."""
        self.open.pop(session_id, None)

    def principal(self, session_id: UUID) -> Principal:
        """Read who it is."""
        if self.failure:
            raise self.failure
        if session_id not in self.open:
            raise NotSignedIn("The session is over", reason="revoked")
        user = self.open[session_id][0]
        return Principal(user_id=user.id, username=user.username, role=user.role, session_id=session_id)

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, None]:
        """Read who it is; nobody holds anything."""
        return self.principal(session_id), None

    def change_password(self, principal: Principal, *, old_password: str, new_password: str) -> None:
        """Note the change."""
        self.password_changes.append({"old": old_password, "new": new_password, "who": principal.username})

    def _opened(self, session_id: UUID, user: User) -> SessionTokensData:
        jti = uuid4()
        self.open[session_id] = (user, jti)
        expires_at = datetime.now(UTC) + self.life
        return SessionTokensData(session_id=session_id, refresh_jti=jti, user=user, expires_at=expires_at)


def _crud(item: Any) -> Recorder:
    return Recorder({"page": one_page(item), "create": item, "get": item, "update": item, "delete": None})


def fake_settings(**values: str) -> Settings:
    """Make settings that point nowhere."""
    return load(
        {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET_KEY": "a key that is good enough for tests",
            **values,
        }
    )


class FakeServices:
    """Everything `create_app` needs, in memory."""

    def __init__(self, **settings: str) -> None:
        self.settings = fake_settings(**settings)
        self.sessions = FakeSessions()
        self.users = _crud(a_user())
        self.users.results["usernames"] = {1: "root"}
        self.agents = _crud(an_agent())
        self.agents.results |= {"set_availability": an_agent(), "make_agent": an_agent()}
        self.customers = _crud(CUSTOMER)
        self.tickets = _crud(a_ticket())
        self.tickets.results["history"] = one_page(EVENT)
        self.imports = Recorder({"accept": IMPORTED, "get": IMPORT, "page": one_page(IMPORT)})
        self.ticket_export = Recorder({"chunks": [b"id\r\n", b"7\r\n"]})
        hand = Hand(
            tickets=(a_ticket(status=TicketStatus.ASSIGNED, agent_id=2, assigned_at=NOW),),
            held=1,
            capacity=15,
            assigned_now=1,
        )
        self.assignments = Recorder({"fetch": hand, "held": hand, "return_all": [7, 8, 9]})
        moved = a_ticket(status=TicketStatus.IN_PROGRESS, agent_id=2, epoch=4)
        moves = ("start", "resolve", "close", "set_status", "release", "sell", "assign", "return_one", "reopen")
        self.lifecycle = Recorder(dict.fromkeys(moves, moved))
        refusal: FairdealError = NotFound("There is no ticket 8")
        self.lifecycle.results["sell_many"] = [ItemResult(7, moved, None), ItemResult(8, None, refusal)]
        several = self.lifecycle.results["sell_many"]
        self.bulk = Recorder(dict.fromkeys(("assign", "set_priority", "reassign_all"), several))
        self.history = Recorder({"note": EVENT, "notes": one_page(EVENT), "of_agent": one_page(EVENT)})
        self.service_levels = Recorder({"of": LEVEL})
        self.explanations = Recorder({"explain": EXPLAINED})
        self.webhooks = _crud(WEBHOOK)
        self.webhooks.results |= {
            "create": (WEBHOOK, "whsec_x"), "rotate": (WEBHOOK, "whsec_y"), "ping": DELIVERY, "redeliver": DELIVERY,
            "deliveries": one_page(DELIVERY), "delivery": (DELIVERY, (EVENT,)),
        }  # fmt: skip
        self.invariants = Recorder({"check": ()})
        depths = dict.fromkeys(Priority, 2)
        self.queue_stats = Recorder(
            {"read": QueueState(trusted=True, queued=depths, open_claims=0, open=depths, oldest_open_s=1.5)}
        )
        self.dispatch_report = Recorder({"read": DISPATCH})
        self.reconciliations = Recorder({"request": RUN, "get": RUN, "page": one_page(RUN)})
        self.mails = Recorder({"page": one_page(MAIL), "get": MAIL, "redeliver": MAIL})
        told = {kind: kind is not NoticeKind.FETCHED for kind in NoticeKind}
        self.notification_preferences = Recorder({"get": told, "replace": told})
        self.health = Recorder({"check": health_report()})
        self.operations = Recorder({"mode": Mode.NORMAL})
        nothing = State(queue=None, assign_s={}, inversions=None, reconciliations=None, invariants=())
        self.figures = Recorder({"read": nothing})
        self.meters = Meters()
        self.tracer = None
        self.erasures = Recorder({"erase": ERASURE})


def health_report(**broken: str) -> HealthReport:
    """Report health; each part named is broken in the way said."""
    status = HealthStatus.OK if not broken else HealthStatus.DEGRADED if set(broken) == {"redis"} else HealthStatus.DOWN
    parts = {
        name: HealthPart(ok=name not in broken, detail=broken.get(name, ""), ms=0.5)
        for name in ("postgresql", "schema", "redis")
    }
    return HealthReport(status=status, parts=parts)
