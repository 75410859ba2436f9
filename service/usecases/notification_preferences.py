"""What people want to be told by mail."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.errors import NotFound
from service.domain.notices import NoticeKind
from service.usecases.ports.mails import PreferenceStore


class NotificationPreferences:
    """Read and change, for one user, which kinds of notice they get."""

    def __init__(self, *, store: PreferenceStore) -> None:
        self._store = store

    def get(self, user_id: int) -> dict[NoticeKind, bool]:
        """Say of every kind whether the user gets it. Raises `NotFound`."""
        muted = self._store.muted(user_id)
        if muted is None:
            raise NotFound(f"There is no user {user_id}")
        return {kind: kind.value not in muted for kind in NoticeKind}

    def replace(self, user_id: int, wanted: Mapping[NoticeKind, bool]) -> dict[NoticeKind, bool]:
        """Write which kinds the user gets; those not named are on. Raises `NotFound`."""
        muted = frozenset(kind.value for kind, is_on in wanted.items() if not is_on)
        if not self._store.mute(user_id, muted):
            raise NotFound(f"There is no user {user_id}")
        return self.get(user_id)
