"""Ways to come by the rows of a page."""

from __future__ import annotations

from enum import Enum


class Find(Enum):
    """How the rows of a page are come by.

    The planner expects rows evenly spread, and where they lie together at the far end of an order (those in hand are
    the newest, and all closed ones older) it would walk past all others. Then it is better to find and sort them.
    """

    IN_ORDER = "as the planner likes"
    FIRST_IF_FEW = "all of them, where they are no more than will be counted"
    FIRST = "all of them"
