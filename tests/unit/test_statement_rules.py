"""What a statement of ours may not look like, wherever it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STORE = Path(__file__).parents[2] / "service" / "store"

CHOSEN_ANEW = re.compile(
    r"\b(?:DELETE|UPDATE)\b(?:(?!\"\"\")[^;])*?\bIN\s*\(\s*SELECT\b(?:(?!\"\"\")[^;)])*\bLIMIT\b[^)\"]*\bFOR\b"
)
"""A subquery that locks so many rows: asked anew for each row of the table, it finds others. `IN` a list is none."""


def test_what_is_locked_by_the_number_is_chosen_once() -> None:
    """By `WITH ... AS MATERIALIZED`, or by `= (SELECT ... LIMIT 1 ...)`, which is asked once."""
    found = {path.name: CHOSEN_ANEW.findall(path.read_text()) for path in STORE.glob("*.py")}
    assert {name: parts for name, parts in found.items() if parts} == {}


@pytest.mark.parametrize(
    ("sql", "is_noticed"),
    [
        ("DELETE FROM mails WHERE id IN (\n SELECT id FROM mails ORDER BY id LIMIT :n FOR UPDATE SKIP LOCKED)", True),
        ("UPDATE mails SET x = 1 WHERE (a, b) IN (SELECT a, b FROM mails LIMIT 3 FOR NO KEY UPDATE)", True),
        ("DELETE FROM mails WHERE id IN (SELECT id FROM mails ORDER BY id LIMIT :n)", False),
        ("UPDATE mails SET x = 1 WHERE id = (SELECT id FROM mails LIMIT 1 FOR UPDATE SKIP LOCKED)", False),
        ("WITH old AS MATERIALIZED (SELECT id FROM mails LIMIT 1 FOR UPDATE) DELETE FROM mails USING old", False),
    ],
)
def test_a_choice_that_may_be_made_anew_is_noticed(sql: str, is_noticed: bool) -> None:
    assert bool(CHOSEN_ANEW.search(sql)) == is_noticed
