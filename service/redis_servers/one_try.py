"""A client that sends each command once, without what redis-py keeps for sending it again.

redis-py has several closures, calls and measurements around each command for retries that are switched off here; they
take more of the web's time than claim.lua takes of the server's (docs/adr/0024).
"""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import ResponseError


class OneTryRedis(Redis):
    """A client whose commands go out once. Pipelines and subscriptions are redis-py's own."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command and read its answer. Raises what redis-py raises.

        A connection whose answer was not read to its end is closed: the next command would take it for its own.
        """
        if self.connection is not None:  # a client bound to one connection, as redis-py's own helpers make
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        pool = self.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command(*args)  # type: ignore[no-untyped-call]
            return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]
        except ResponseError:
            raise
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            pool.release(connection)
