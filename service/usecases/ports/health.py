"""What a health check needs of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The schema's revision, None when there is none, and the newest one this code knows.

    `fits` is also true of a revision this code does not know: newer code has migrated, and is taking over.
    """

    present: str | None
    head: str | None
    fits: bool


class StoreProbe(Protocol):
    """The store, as far as its health goes."""

    def ping(self) -> None:
        """Run a trivial query. Raises `StoreUnavailable`."""

    def schema(self) -> SchemaState:
        """Read the schema's revision. Raises `StoreUnavailable`."""
