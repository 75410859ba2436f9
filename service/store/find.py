"""Ways to come by the rows of a page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement


class Find(Enum):
    """How the rows of a page are come by.

    The planner expects rows evenly spread, and where they lie together at the far end of an order (those in hand are
    the newest, and all closed ones older) it would walk past all others. Then it is better to find and sort them.
    """

    IN_ORDER = "as the planner likes"
    FIRST_IF_FEW = "all of them, where they are few"
    FIRST = "all of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the rows of a list, which an index has in the order asked for.

    An index led by a further column, of which these rows have one value, has them so as well: that is `leading`. The
    condition says so by a range, as by an equality the planner would take the column for no part of the order, and
    walk along another index.
    """

    condition: ColumnElement[bool]
    leading: ColumnElement[Any] | None = None
