"""Backup and restore: one file with the rows of all tables at one moment.

Redis is not in it, and need not be: the queue is what PostgreSQL says is open, and is built anew after a restore.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from service.domain.errors import Conflict, InvalidInput
from service.usecases.ports.backup import BackupStore, TableShape

FORMAT = 1
MANIFEST = "manifest.json"

NOT_RESTORED = frozenset({"sessions", "leases"})
"""What must not come back: a session that was ended since, or a lease that was lost."""

Progress = Callable[[str, int, int], None]
"""Told of each table that is about to be copied: its name, its number from 1, how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. `rows` counts by table."""

    made_at: str
    version: str
    revision: str
    tables: tuple[TableShape, ...]
    rows: Mapping[str, int]
    sequences: Mapping[str, int]


class Backups:
    """Write backups, and read them back."""

    def __init__(self, *, store: BackupStore, version: str, now: Callable[[], datetime]) -> None:
        self._store = store
        self._version = version
        self._now = now

    def write(self, path: Path, *, progress: Progress) -> Manifest:
        """Write a backup of this moment. The file appears when it is complete, for its owner's eyes alone.

        Raises `InvalidInput` where there is one already, `Conflict` where there is no schema, `StoreUnavailable`.
        """
        if path.exists():
            raise InvalidInput(("file", f"{path} is there already"))
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                    manifest = self._fill(archive, progress)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # fails where somebody else was as quick, which replacing would not
        finally:
            draft.unlink(missing_ok=True)
        return manifest

    def _fill(self, archive: zipfile.ZipFile, progress: Progress) -> Manifest:
        rows: dict[str, int] = {}
        with self._store.snapshot() as snapshot:
            revision, made_at = snapshot.revision(), self._now().isoformat()
            if revision is None:
                raise Conflict("There is no schema in this database, so there is nothing to back up")
            tables = tuple(snapshot.tables())
            for number, table in enumerate(tables, start=1):
                progress(table.name, number, len(tables))
                with archive.open(_member(table.name), "w", force_zip64=True) as member:
                    rows[table.name] = snapshot.copy_out(table, member)
            sequences = snapshot.sequences()
        manifest = Manifest(
            made_at=made_at, version=self._version, revision=revision, tables=tables, rows=rows, sequences=sequences
        )
        archive.writestr(MANIFEST, json.dumps({"format": FORMAT, **_plain(manifest)}, indent=1))
        return manifest

    def read(self, path: Path) -> Manifest:
        """Read what a backup says of itself. Raises `InvalidInput` for what is none, or is incomplete."""
        try:
            with zipfile.ZipFile(path) as archive:
                return _manifest(json.loads(archive.read(MANIFEST)))
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as exc:
            raise InvalidInput(("file", f"{path} is no backup of Fairdeal, or not all of one ({exc})")) from exc

    def overwrites(self) -> bool:
        """Say whether a restore would throw anything away."""
        return self._store.revision() is not None and self._store.rows() > 0

    def check(self, manifest: Manifest) -> None:
        """Raise `Conflict` where the backup cannot be restored into this database by this version."""
        if manifest.revision not in self._store.known_revisions():
            raise Conflict(
                f"The backup's schema is at revision {manifest.revision}, which this version does not know: a newer "
                f"one wrote it (Fairdeal {manifest.version})"
            )
        present = self._store.revision()
        if present not in (None, manifest.revision):
            raise Conflict(
                f"The backup's schema is at revision {manifest.revision}, this database's at {present}: restore into "
                "an empty database, where it is brought to the newest revision afterwards"
            )

    def restore(self, path: Path, *, progress: Progress) -> Manifest:
        """Replace everything by what a backup holds, in one transaction: as a whole, or not at all.

        The queue in Redis is wrong afterwards, until it is rebuilt; sessions have ended. Raises what `read` and
        `check` do, `InvalidInput` also for a damaged file, and `StoreUnavailable`.
        """
        manifest = self.read(path)
        self.check(manifest)
        self._store.upgrade(manifest.revision)
        try:
            self._load(path, manifest, progress)
        except zipfile.BadZipFile as exc:
            raise InvalidInput(("file", f"{path} is damaged ({exc}); nothing was changed")) from exc
        self._store.upgrade("head")
        self._store.analyze()
        return manifest

    def _load(self, path: Path, manifest: Manifest, progress: Progress) -> None:
        wanted = [table for table in manifest.tables if table.name not in NOT_RESTORED]
        with zipfile.ZipFile(path) as archive, self._store.loading(manifest.tables) as loading:
            for number, table in enumerate(wanted, start=1):
                progress(table.name, number, len(wanted))
                with archive.open(_member(table.name)) as member:
                    rows = loading.copy_in(table, member)
                if rows != manifest.rows[table.name]:
                    raise zipfile.BadZipFile(f"{table.name} has {rows} rows, not {manifest.rows[table.name]}")
            loading.finish(manifest.sequences)


def _member(table: str) -> str:
    return f"tables/{table}.copy"


def _plain(manifest: Manifest) -> dict[str, Any]:
    return {
        "made_at": manifest.made_at,
        "version": manifest.version,
        "revision": manifest.revision,
        "tables": {table.name: list(table.columns) for table in manifest.tables},
        "rows": dict(manifest.rows),
        "sequences": dict(manifest.sequences),
    }


def _manifest(found: Mapping[str, Any]) -> Manifest:
    if found["format"] != FORMAT:
        raise ValueError(f"its format is {found['format']}, this version reads {FORMAT}")
    return Manifest(
        made_at=str(found["made_at"]),
        version=str(found["version"]),
        revision=str(found["revision"]),
        tables=tuple(TableShape(name=name, columns=tuple(columns)) for name, columns in found["tables"].items()),
        rows=dict(found["rows"]),
        sequences=dict(found["sequences"]),
    )
