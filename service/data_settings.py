"""Settings of where data lives."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.redis_servers.address import Kind, parse
from service.setting_values import DatabaseUrl, JobsRedisUrl, RedisUrl, ReplicaUrl


class DataSettings(BaseSettings):
    """Hold the addresses of PostgreSQL and Redis, and the directory; one field for each environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    weak_secrets: Literal["refused", "allowed"] = Field(
        default="refused",
        description="Whether secrets that anybody could guess are taken: `refused` is for production; `./scripts/run` "
        "allows them unless told otherwise",
    )
    """First of all, for the others are judged by it."""
    database_url: DatabaseUrl = Field(
        description="PostgreSQL to use; `./scripts/run` starts an embedded one when it is not given. Of several hosts, "
        "with commas between, the one that takes writes is used",
        examples=["postgresql://fairdeal:secret@db.example:5432/fairdeal"],
    )
    database_pooler: Literal["none", "transaction"] = Field(
        default="none",
        description="What `DATABASE_URL` leads to: PostgreSQL itself (`none`), or a pooler that lends connections for "
        "a transaction each (`transaction`), such as PgBouncer: then no statement is prepared, and nothing kept in a "
        "session",
    )
    replica_database_url: ReplicaUrl | None = Field(
        default=None,
        description="A streaming replica of PostgreSQL (of several hosts, any); lists, searches, exports and charts "
        "are read there while it keeps up, all else at `DATABASE_URL`",
        examples=["postgresql://fairdeal:secret@replica.example:5432/fairdeal"],
    )
    redis_url: RedisUrl = Field(
        description="Redis or Valkey to use; `./scripts/run` starts an embedded Valkey when it is not given. "
        "`redis+sentinel://:password@host:26379,host:26379/master/0` names Sentinels and the master they watch, "
        "`redis+cluster://:password@host:6379,host:6379` some nodes of a Cluster",
        examples=["redis://:secret@redis.example:6379/0"],
    )
    jobs_redis_url: JobsRedisUrl | None = Field(
        default=None,
        validate_default=True,
        description="Redis for the background jobs of RQ; the one of `REDIS_URL` when not given, which cannot be where "
        "that is a Cluster",
        examples=["redis://:secret@jobs.example:6379/0"],
    )
    var_dir: Path = Field(
        default=Path("var"),
        description="Directory for embedded data, generated secrets and logs, relative to the checkout",
    )

    @property
    def jobs_url(self) -> str:
        """Where the background jobs of RQ are."""
        return self.jobs_redis_url or self.redis_url

    @field_validator("jobs_redis_url")
    @classmethod
    def _is_no_cluster(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Want a server for jobs beside a Cluster."""
        redis_url = info.data.get("redis_url")
        if value is None and redis_url is not None and parse(redis_url).kind is Kind.CLUSTER:
            raise ValueError("must be given beside a Redis Cluster, in which RQ cannot work: one server, or Sentinels")
        return value
