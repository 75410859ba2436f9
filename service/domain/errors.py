"""What can go wrong, as facts with a stable code. `service/api/errors.py` turns them into HTTP."""

from __future__ import annotations

from typing import Any, ClassVar


class FairdealError(Exception):
    """Carry a stable `code`, a sentence for a person, and facts for a program."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class InvalidInput(FairdealError):
    """Name each bad field: `errors` is a list of {"field", "message"}."""

    code = "invalid_input"

    def __init__(self, *errors: tuple[str, str]) -> None:
        listed = [{"field": field, "message": message} for field, message in errors]
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors), errors=listed)


class NotSignedIn(FairdealError):
    """The token is missing, wrong, expired or revoked."""

    code = "not_signed_in"


class WrongCredentials(FairdealError):
    """The username or password is wrong; which of them is not said."""

    code = "wrong_credentials"


class TooManyTries(FairdealError):
    """Too many wrong passwords for this account, or from this address; `retry_after_s` says how long to wait."""

    code = "too_many_tries"


class Forbidden(FairdealError):
    """The caller's role does not allow this."""

    code = "forbidden"


class AgentInactive(FairdealError):
    """The agent has been deactivated or deleted."""

    code = "agent_inactive"


class AgentAway(FairdealError):
    """An away agent gets nothing new."""

    code = "agent_away"


class AgentAtCapacity(FairdealError):
    """The agent's hands are full."""

    code = "agent_at_capacity"


class NotFound(FairdealError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class AlreadyExists(FairdealError):
    """A unique value is taken; `field` says which."""

    code = "already_exists"


class IllegalMove(FairdealError):
    """The ticket's state does not allow this move; both states are named."""

    code = "illegal_move"


class TicketTaken(FairdealError):
    """The ticket was taken back from the caller, and somebody else has had it since; `state` says what it is now."""

    code = "ticket_taken"


class TicketArchived(FairdealError):
    """The ticket is in the archive, where nothing changes; `state` says what it was closed as."""

    code = "ticket_archived"


class StaleEpoch(FairdealError):
    """The ticket has changed hands since the caller read it."""

    code = "stale_epoch"


class Conflict(FairdealError):
    """The request contradicts the present state in another way."""

    code = "conflict"


class KeyInFlight(FairdealError):
    """The first request with this idempotency key is still being served."""

    code = "idempotency_key_in_flight"


class KeyReused(FairdealError):
    """The idempotency key belongs to another request."""

    code = "idempotency_key_reused"


class PasswordsBusy(FairdealError):
    """More passwords wait to be checked than the service has time for; `retry_after_s` says when to come back."""

    code = "passwords_busy"


class StoreUnavailable(FairdealError):
    """PostgreSQL did not answer. Nothing can be said of a write that was under way."""

    code = "store_unavailable"


class SchemaBusy(StoreUnavailable):
    """A migration waited for a lock that others keep, and gave up rather than have everybody wait behind it."""

    code = "schema_busy"


class QueueUnavailable(FairdealError):
    """Redis did not answer. Whether a script ran is unknown."""

    code = "queue_unavailable"
