"""What backup and restore need of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """A table and its columns, in the order in which its rows are written."""

    name: str
    columns: tuple[str, ...]


class Snapshot(Protocol):
    """All tables at one moment, whatever is written meanwhile. Every method may raise `StoreUnavailable`."""

    def revision(self) -> str | None:
        """Name the schema's revision."""

    def tables(self) -> Sequence[TableShape]:
        """List the tables, each after those it refers to."""

    def sequences(self) -> Mapping[str, int]:
        """Read how far the ids were handed out; what none was taken from is left out."""

    def copy_out(self, table: TableShape, into: IO[bytes]) -> int:
        """Write a table's rows, and count them."""


class Loading(Protocol):
    """All tables emptied, to be filled; nobody sees anything of it before the end. May raise `StoreUnavailable`."""

    def copy_in(self, table: TableShape, source: IO[bytes]) -> int:
        """Read a table's rows, and count them."""

    def finish(self, sequences: Mapping[str, int]) -> None:
        """Go on counting ids where the backup stopped, and fit what depends on this server's transaction numbers."""


class BackupStore(Protocol):
    """The store, to be copied as a whole."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Lend a snapshot."""

    def loading(self, tables: Sequence[TableShape]) -> AbstractContextManager[Loading]:
        """Lend a transaction that replaces all rows. Raises `Conflict` when the tables are not these."""

    def revision(self) -> str | None:
        """Name the schema's revision; None where there is no schema."""

    def known_revisions(self) -> frozenset[str]:
        """Name the revisions that this version can make."""

    def upgrade(self, revision: str) -> None:
        """Bring the schema to a revision, `head` among them."""

    def rows(self) -> int:
        """Say about how many tickets and users there are: 0 for a database that nobody has used."""

    def analyze(self) -> None:
        """Have the planner look at what is there now."""
