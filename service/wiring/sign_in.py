"""The parts of the composition root that are about who comes in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from service.config import Settings
from service.domain.sign_in_limits import Budget, SignInLimits
from service.store.password_tries import PostgresTries
from service.store.sessions import PostgresSessions
from service.usecases.passwords import Passwords
from service.usecases.sessions import Sessions
from service.usecases.throttle import Throttle
from service.usecases.turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What the rest of the service needs of it."""

    passwords: Passwords
    sessions: Sessions
    throttle: Throttle


def wire_sign_in(settings: Settings, engine: Engine) -> Door:
    """Wire them. At most half the threads of a web process are about passwords, and one of them at work."""
    turns = Turns(at_once=1, waiting=max(1, settings.web_threads // 2 - 1))
    passwords = Passwords(turns=turns)
    limits = SignInLimits(
        account=Budget(settings.sign_in_tries, settings.sign_in_window_s),
        address=Budget(settings.sign_in_address_tries, settings.sign_in_window_s),
    )
    throttle = Throttle(
        store=PostgresTries(engine),
        limits=limits,
        turns=turns,
        secret=settings.jwt_secret_key.get_secret_value().encode(),
    )
    sessions = Sessions(
        store=PostgresSessions(engine),
        passwords=passwords,
        throttle=throttle,
        refresh_life=timedelta(days=settings.refresh_token_days),
    )
    return Door(passwords=passwords, sessions=sessions, throttle=throttle)
