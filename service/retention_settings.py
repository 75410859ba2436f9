"""Settings of how long what is done with is kept, and where."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from service.data_settings import DataSettings
from service.domain.retention import LEAST_ARCHIVE_DAYS


class RetentionSettings(DataSettings):
    """Hold the ages at which tickets go to the archive and from there; one field for each environment variable."""

    archive_after_days: int = Field(
        default=90,
        ge=0,
        le=3650,
        description="Days after their last change at which closed, sold and deleted tickets go to the archive, 8 at "
        "the least; 0: never",
    )
    archive_keep_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days after their last change at which archived tickets are removed for ever, history and all; 0: "
        "never",
    )

    @field_validator("archive_after_days")
    @classmethod
    def _is_referred_to_no_more(cls, value: int) -> int:
        """Let idempotency keys, which lead to tickets, go first."""
        if 0 < value < LEAST_ARCHIVE_DAYS:
            raise ValueError(
                f"{value} is too few: younger tickets are still referred to; use {LEAST_ARCHIVE_DAYS} or more, or 0"
            )
        return value

    @field_validator("archive_keep_days")
    @classmethod
    def _outlives_the_move(cls, value: int, info: ValidationInfo) -> int:
        """Compare with the time before the archive, unless that is bad itself."""
        after_days = info.data.get("archive_after_days", 0)
        if value and value <= after_days:
            raise ValueError(
                f"{value} is not more than ARCHIVE_AFTER_DAYS ({after_days}); use at least {after_days + 1}"
            )
        return value
