"""What a migration may do while code of the version before goes on serving (docs/adr/0038)."""

from __future__ import annotations

import re

import pytest

from service.store.migrate import SCRIPTS

LAST_BEFORE_THE_RULE = 17
CONTRACTS = re.compile(
    r"\bDROP\s+(?:TABLE|COLUMN)\b|\bRENAME\b|\bALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+DATA\s+)?TYPE\b"
    r"|\bSET\s+NOT\s+NULL\b|\bADD\s+(?:COLUMN\s+)?\w+\s+[\w ()]+\bNOT\s+NULL\b(?![^,;]*\bDEFAULT\b)",
    re.IGNORECASE,
)
WAIVER = re.compile(r"^-- Contract: \S", re.MULTILINE)
"""A line that says since which version nothing uses any more what is taken away."""

RULED = [
    path
    for path in sorted((SCRIPTS / "versions").glob("0*.sql"))
    if int(path.name.partition("_")[0]) > LAST_BEFORE_THE_RULE
]


def _contracts(sql: str) -> list[str]:
    if WAIVER.search(sql):
        return []
    return CONTRACTS.findall(re.sub(r"--.*", "", sql))


def test_new_migrations_take_nothing_away_that_older_code_may_use() -> None:
    assert {path.name: found for path in RULED if (found := _contracts(path.read_text()))} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE tickets DROP COLUMN colour",
        "DROP TABLE colours",
        "ALTER TABLE tickets RENAME COLUMN colour TO hue",
        "ALTER TABLE tickets ALTER COLUMN colour TYPE INT",
        "ALTER TABLE tickets ALTER COLUMN colour SET NOT NULL",
        "ALTER TABLE tickets ADD COLUMN colour TEXT NOT NULL",
    ],
)
def test_what_older_code_would_trip_over_is_noticed(sql: str) -> None:
    assert _contracts(sql)
    assert _contracts(f"-- Contract: unused since 0.2\n{sql}") == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE tickets ADD COLUMN colour TEXT",
        "ALTER TABLE tickets ADD COLUMN colour TEXT DEFAULT 'red' NOT NULL",
        "ALTER TABLE tickets ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",
        "CREATE TABLE colours (id BIGINT NOT NULL)",
        "-- DROP TABLE would be wrong",
    ],
)
def test_what_older_code_does_not_see_is_allowed(sql: str) -> None:
    assert not _contracts(sql)
