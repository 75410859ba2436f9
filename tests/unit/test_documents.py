"""Documents that must say what the code says."""

from __future__ import annotations

from pathlib import Path

from scripts.render_erd import render

ROOT = Path(__file__).parents[2]


def test_the_diagram_shows_the_tables_as_they_are() -> None:
    assert (ROOT / "docs" / "erd.md").read_text() == render(), "run: .venv/bin/python -m scripts.render_erd > docs/erd.md"
