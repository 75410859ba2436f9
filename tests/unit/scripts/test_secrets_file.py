"""The secrets made at the first start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.secrets_file import Secrets, SecretsFileError, kept_secrets


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path / "secrets.json")
    assert kept_secrets(tmp_path / "secrets.json") == first
    assert kept_secrets(tmp_path / "others.json") != first


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    kept_secrets(tmp_path / "secrets.json")
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secret_that_an_older_version_did_not_have_is_added(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"jwt_secret_key": "k" * 32}))
    found = kept_secrets(path)
    assert found.jwt_secret_key == "k" * 32
    assert json.loads(path.read_text())["postgres_password"] == found.postgres_password


@pytest.mark.parametrize("content", ["", "[]", "{", '{"jwt_secret_key": 1}', '{"other": "x"}'])
def test_file_that_makes_no_sense_is_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(SecretsFileError):
        kept_secrets(path)
    assert path.read_text() == content


def test_secrets_do_not_show_in_a_repr() -> None:
    secrets = Secrets()
    assert not [word for word in vars(secrets).values() if word in repr(secrets)]
