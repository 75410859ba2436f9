"""The demo's texts: varied, valid, and recognisable."""

from __future__ import annotations

from collections import Counter

from service.domain.model import Priority
from service.domain.people_rules import check_strength
from service.usecases.demo import PASSWORD
from service.usecases.demo_data import AGENTS, EMAIL_DOMAIN, REFERENCE, TICKETS, demo_tickets
from service.usecases.tickets import clean_draft


def test_the_tickets_are_valid_varied_and_always_the_same() -> None:
    drafts = list(demo_tickets())
    assert [clean_draft(draft) for draft in drafts] == drafts == list(demo_tickets())
    assert len(drafts) == TICKETS
    assert len({draft.description for draft in drafts}) == TICKETS
    assert len({draft.subject for draft in drafts}) > TICKETS / 2
    assert max(Counter(draft.subject for draft in drafts).values()) <= 10
    assert not any("{" in draft.subject + draft.description for draft in drafts)


def test_most_tickets_are_of_medium_priority_and_all_have_a_reference() -> None:
    drafts = list(demo_tickets())
    assert Counter(draft.priority for draft in drafts) == {Priority.MEDIUM: 210, Priority.LOW: 60, Priority.HIGH: 30}
    assert [draft.description.rsplit(REFERENCE, 1)[1] for draft in drafts[:2]] == ["0001", "0002"]


def test_the_demo_password_would_pass_for_anybody() -> None:
    assert check_strength(PASSWORD) == []


def test_the_agents_have_names_of_their_own_and_nobody_elses_address() -> None:
    assert len({person.username for person in AGENTS}) == len({person.last_name for person in AGENTS}) == 10
    assert EMAIL_DOMAIN.endswith(".example")
