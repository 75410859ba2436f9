"""Rows become the domain's nouns by their order."""

from __future__ import annotations

from service.domain.model import Ticket
from service.store.rows import TICKET_COLUMNS


def test_a_tickets_columns_are_in_the_order_of_its_fields() -> None:
    assert Ticket._fields == (*(column.name for column in TICKET_COLUMNS), "archived_at")
