"""The rules for a ticket's own words, at their edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.domain.errors import InvalidInput
from service.domain.model import Priority
from service.domain.ticket_rules import (
    clean_description,
    clean_note,
    clean_remark,
    clean_row,
    clean_subject,
    parse_priority,
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("x", "x"),
        ("  Where is it?\n", "Where is it?"),
        ("s" * 200, "s" * 200),
        (f" {'s' * 200} ", "s" * 200),
        ("👩\u200d💻 wrote", "👩\u200d💻 wrote"),
        ("مرحبا", "مرحبا"),
        ("?!", "?!"),
    ],
)
def test_a_subject_is_trimmed_and_otherwise_kept(given: str, kept: str) -> None:
    assert clean_subject(given) == kept


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "must not be empty"),
        (" \t\n\u00a0", "must not be empty"),
        ("\u200b\u2060", "must not be empty"),
        ("s" * 201, "must be at most 200 characters, not 201"),
        ("a\nb", "must be one line"),
        ("a\tb", "must be one line"),
        ("a\0b", "must be one line"),
        ("a\x85b", "must be one line"),
        ("a\u2028b", "must be one line"),
        ("a\ud800b", "must be one line"),
        (None, "must be text"),
        (7, "must be text"),
        (b"x", "must be text"),
    ],
)
def test_a_subject_that_will_not_do_is_refused_in_words(given: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=f"^subject: {words}"):
        clean_subject(given)


def test_a_description_is_kept_to_the_letter() -> None:
    for text in ("", "  two\r\nlines\t ", "d" * 20_000, "\x07 bell"):
        assert clean_description(text) == text


@pytest.mark.parametrize("given", ["d" * 20_001, "a\0b", "\udcff", None, 1.5])
def test_a_description_that_cannot_be_stored_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match=r"^description: "):
        clean_description(given)


@pytest.mark.parametrize(("given", "priority"), [("high", "high"), (" MEDIUM ", "medium"), ("Low", "low")])
def test_a_priority_is_read_in_any_case(given: str, priority: str) -> None:
    assert parse_priority(given) is Priority(priority)


@pytest.mark.parametrize("given", ["", "urgent", "hıgh", None, 1, ["high"]])
def test_what_is_no_priority_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match=r"^priority: "):
        parse_priority(given)


def test_a_note_is_trimmed_may_be_empty_and_is_refused_by_its_own_name() -> None:
    assert clean_note("  done\n ") == "done"
    assert clean_note("") == ""
    assert clean_note("n" * 1_000) == "n" * 1_000
    for given in ("n" * 1_001, "a\0b", None):
        with pytest.raises(InvalidInput, match=r"^reason: "):
            clean_note(given, field="reason")


def test_a_remark_must_show_something() -> None:
    assert clean_remark(" two\nlines ") == "two\nlines"
    for given in ("", " \n", "\u200b\u200b", "n" * 1_001, "a\0b", None):
        with pytest.raises(InvalidInput, match=r"^note: "):
            clean_remark(given)


@pytest.mark.parametrize("rule", [clean_subject, clean_description, parse_priority, clean_note, clean_remark])
def test_no_rule_repeats_what_was_given(rule: Callable[[object], object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        rule("secret\0" * 20_000)
    assert "secret" not in refused.value.detail


def test_every_bad_field_of_a_ticket_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        clean_row(subject=" ", description=None, priority="urgent", external_id="")
    assert [error["field"] for error in refused.value.facts["errors"]] == ["subject", "description", "priority"]
    found = clean_row(subject=" a ", description="b", priority="HIGH", external_id=" c ")
    assert found == ("a", "b", Priority.HIGH, "c")
