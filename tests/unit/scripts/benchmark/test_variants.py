"""The variants of `--compare` change what the service really uses."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from service.api import encoding, fast_path, tokens
from service.store import engine, gathering
from service.wiring import connections

ROOT = Path(__file__).parents[4]

# In a process of its own: a variant changes the modules for good.
JSON = """
from scripts.benchmark.variants import VARIANTS
from service.api.encoding import dumps
VARIANTS["json"].change()
import datetime
at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
print(dumps({"at": at, "names": {"b", "a"}, "text": "\\u00fc"}).decode())
"""


def test_what_the_variants_change_is_there() -> None:
    assert callable(tokens.Tokens.remembered)
    assert callable(vars(fast_path)["install"])
    assert callable(vars(engine)["create_engine"])
    assert callable(vars(connections)["make_engine"])
    assert callable(gathering.Gathering.ask)
    assert callable(gathering.Gathering(alone=str, together=list).alone)


def test_json_of_the_standard_library_says_the_same() -> None:
    said = subprocess.run([sys.executable, "-c", JSON], cwd=ROOT, capture_output=True, check=True).stdout
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert json.loads(said) == json.loads(encoding.dumps({"at": at, "names": {"b", "a"}, "text": "ü"}))
