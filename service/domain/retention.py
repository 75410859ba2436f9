"""How long what is done with must stay where it is worked on."""

from __future__ import annotations

LEAST_ARCHIVE_DAYS = 8
"""Idempotency keys and claims are kept for seven days, and lead to tickets; figures are counted from lines of a day."""
