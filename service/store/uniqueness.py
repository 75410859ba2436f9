"""Values that must be unique, and what to say when one is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError

from service.domain.errors import AlreadyExists

_TAKEN = {
    "users_username_key": ("username", "This username is taken"),
    "users_email_key": ("email", "Another user has this email address"),
    "customers_email_key": ("email", "Another customer has this email address"),
    "tickets_external_key": ("external_id", "Another ticket has this external id"),
    "agents_pkey": ("user_id", "This user has an agent's profile already"),
}


@contextmanager
def taken_values_as_facts() -> Iterator[None]:
    """Turn the violation of a unique index into `AlreadyExists`, which names the field."""
    try:
        yield
    except IntegrityError as exc:
        if isinstance(exc.orig, UniqueViolation) and exc.orig.diag.constraint_name in _TAKEN:
            field, words = _TAKEN[exc.orig.diag.constraint_name]
            raise AlreadyExists(words, field=field) from exc
        raise
