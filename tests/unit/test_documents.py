"""Documents that must say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import render_erd, render_requests, render_settings
from service.config import Settings
from service.domain.model import Cause
from service.store.tables import metadata

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_the_diagram_shows_the_tables_as_they_are() -> None:
    found = (ROOT / "docs" / "erd.md").read_text()
    assert found == render_erd.render(), "run: .venv/bin/python -m scripts.render_erd > docs/erd.md"


def test_the_readme_lists_the_settings_as_they_are() -> None:
    assert render_settings.current() == render_settings.renewed(), "run: .venv/bin/python -m scripts.render_settings"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    assert [path.name for path in sorted((ROOT / "docs" / "adr").glob("0*.md")) if path.name not in listed] == []


def test_the_examples_of_requests_are_those_of_the_document() -> None:
    how = "run: .venv/bin/python -m scripts.render_requests"
    assert render_requests.COLLECTION.read_text() == render_requests.collection(), how
    assert render_requests.HTTP.read_text() == render_requests.http_file(), how


def test_the_page_on_webhooks_names_every_cause() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    listed = re.search(r"`causes` are those of a ticket's history \((.*?)\)", page, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == [cause.value for cause in Cause]


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())
    missing = [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert len(named) > 30
    assert missing == []


def test_the_page_on_security_goes_through_all_ten_and_leaves_none_without_a_test() -> None:
    risks = re.split(r"^## (API\d+)", (ROOT / "docs" / "security.md").read_text(), flags=re.MULTILINE)[1:]
    assert risks[::2] == [f"API{number}" for number in range(1, 11)]
    assert all("`tests/" in part.partition("\n## ")[0] for part in risks[1::2])


def test_the_page_on_retention_says_of_every_table_what_bounds_it() -> None:
    page = (ROOT / "docs" / "ops" / "retention.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE))
    assert sorted(rows) == sorted(metadata.tables)
    assert all(rows.values())
    named = set(re.findall(r"`([A-Z_]+_DAYS)`", page))
    assert named == {name.upper() for name in Settings.model_fields if re.fullmatch(r"(archive|webhook)\w+_days", name)}
