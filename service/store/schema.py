"""What the declarations of tables are made of."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, func
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """PostgreSQL's number of a transaction, 64 bits wide: it does not wrap round."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type."""
        return "xid8"


metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s",
        "uq": "%(table_name)s_%(column_0_name)s_key",
    }
)


def timestamp(name: str, *, now: bool = False) -> Column[object]:
    """Declare a moment; with `now`, one that is never missing."""
    if now:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
    return Column(name, DateTime(timezone=True))


def one_of(column: str, *values: str) -> CheckConstraint:
    """Declare that a column has one of these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
