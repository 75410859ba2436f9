"""The secrets made at the first start and kept with the data."""

from __future__ import annotations

import dataclasses
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from scripts.account import write_private


class SecretsFileError(Exception):
    """Say that the kept secrets cannot be read."""


def _secret() -> str:
    return secrets.token_hex(32)


@dataclass(frozen=True)
class Secrets:
    """What nobody needs to know: passwords of the embedded servers, the key that signs tokens."""

    postgres_password: str = field(default_factory=_secret, repr=False)
    database_password: str = field(default_factory=_secret, repr=False)
    valkey_password: str = field(default_factory=_secret, repr=False)
    jwt_secret_key: str = field(default_factory=_secret, repr=False)


def kept_secrets(path: Path) -> Secrets:
    """Read the secrets in `path`, making those that are not there yet; only we can read the file.

    Raises `SecretsFileError` when there is a file that makes no sense: new passwords would lock us out of the data.
    """
    kept: object = {}
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise SecretsFileError(f"cannot read {path}: {exc}") from exc
    names = {one.name for one in dataclasses.fields(Secrets)}
    if not isinstance(kept, dict) or not all(name in names and isinstance(kept[name], str) for name in kept):
        raise SecretsFileError(f"{path} holds something else than {', '.join(sorted(names))}")
    found = Secrets(**kept)
    if dataclasses.asdict(found) != kept:
        write_private(path, json.dumps(dataclasses.asdict(found), indent=1) + "\n", None)
    return found
