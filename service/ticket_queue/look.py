"""How Redis is set up: see `service.usecases.ports.doctor`."""

from __future__ import annotations

from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from service.ticket_queue.client import errors_as_facts
from service.usecases.ports.doctor import RedisFacts


class RedisServerLook:
    """Ask Redis about itself, by INFO alone where CONFIG is forbidden, as hosted ones have it."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def look(self) -> RedisFacts:
        """Ask three questions, the clock last: by then the connection is there."""
        with errors_as_facts():
            info = self._client.info()
            saves = self._saves(info)
            seconds, micros = self._client.time()
        errors = [
            name
            for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
            if info.get(name, "ok") != "ok"
        ]
        valkey = info.get("valkey_version")
        return RedisFacts(
            version=f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', 'unknown')}",
            clock_s=seconds + micros / 1e6,
            role=str(info.get("role", "")),
            maxmemory_bytes=int(info.get("maxmemory", 0)),
            used_bytes=int(info.get("used_memory", 0)),
            eviction=str(info.get("maxmemory_policy", "")),
            keeps=bool(info.get("aof_enabled")) or saves,
            write_error=", ".join(errors),
            evicted=int(info.get("evicted_keys", 0)),
        )

    def _saves(self, info: dict[str, Any]) -> bool:
        try:
            return bool(cast("dict[str, str]", self._client.config_get("save")).get("save"))
        except ResponseError:
            return bool(info.get("rdb_saves"))
