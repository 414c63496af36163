"""A plugin that asks a Redis server for its figures periodically, sends them to statsd, and can restart a watcher
when the server does not answer.

Run by the plugin runner. It needs the library ``redis`` (``pip install circus[redis]``), which is looked for here
and loaded only when the plugin runs: circusd imports this module to see that the class exists.
Spec plugins-hooks-streams.md 1.6.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from circus.base.logs import logger
from circus.exc import OptionError
from circus.plugins.remedy import restart_watcher, without_password
from circus.plugins.statsd import BaseObserver
from circus.plugins.tables import REDIS_OBSERVER

if find_spec("redis") is None:
    raise ImportError("This plugin requires the redis-lib to run.")

#: What is sent of the answer to INFO, as far as the server has it.
FIGURES = (
    *("pubsub_channels", "connected_slaves", "lru_clock", "connected_clients", "keyspace_misses", "used_memory"),
    *("used_memory_peak", "total_commands_processed", "used_memory_rss", "total_connections_received"),
    *("pubsub_patterns", "used_cpu_sys", "used_cpu_sys_children", "blocked_clients", "used_cpu_user"),
    *("client_biggest_input_buf", "mem_fragmentation_ratio", "expired_keys", "evicted_keys"),
    *("client_longest_output_list", "uptime_in_seconds", "keyspace_hits"),
)


class RedisObserver(BaseObserver):
    """Asks ``redis_url`` for INFO every ``loop_rate`` seconds.

    An answer: gauges ``redis_stats.<figure>`` for those of :data:`FIGURES` that it has. An error, or no answer within
    ``timeout`` seconds: counter ``redis_stats.error``. When there was no answer and ``restart_on_timeout`` is given, a
    restart of that watcher and the counter ``redis_stats.restart_on_error``; a server that refuses the password or is
    still loading its data did answer, and a restart would not help it.

    Parameters: see :class:`~circus.plugins.base.CircusPlugin`; options:
    :data:`~circus.plugins.tables.REDIS_OBSERVER`.

    :raises OptionError: ``redis_url`` is no URL of a Redis server.
    """

    name = "redis_observer"
    default_app_name = "redis_observer"
    option_table = REDIS_OBSERVER

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        from redis.asyncio import ConnectionPool  # kept off the start path of circusd

        values = self.option_values
        self.redis_url: str = values["redis_url"]
        self.timeout: float = values["timeout"]
        self.restart_on_timeout: str | None = values["restart_on_timeout"]
        try:
            ConnectionPool.from_url(self.redis_url)
        except ValueError as error:
            section = config.get("name", self.name)
            told = f"[{section}] redis_url: {error}"
            raise OptionError(told, "redis_url", without_password(self.redis_url)) from error

    async def look_after(self) -> None:
        """Ask once."""
        from redis import exceptions as ex

        try:
            info = await self._ask()
        except (ex.AuthenticationError, ex.AuthorizationError, ex.BusyLoadingError, ex.ResponseError) as error:
            self._failed(error)
        except (ex.RedisError, OSError, EOFError) as error:  # TimeoutError is an OSError
            self._failed(error)
            if self.restart_on_timeout and restart_watcher(self, self.restart_on_timeout, "restart_on_timeout"):
                self.statsd.increment("redis_stats.restart_on_error")
        else:
            for figure in FIGURES:
                if isinstance(info.get(figure), (int, float)):
                    self.statsd.gauge(f"redis_stats.{figure}", info[figure])

    async def _ask(self) -> dict[str, Any]:
        """The answer to INFO, over a connection of its own: one that was kept would not show that no other is taken.

        :raises RedisError: the server or the library complains.
        :raises OSError: there is no server, or no answer in time.
        """
        import asyncio

        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options: dict[str, Any] = {
            "socket_timeout": self.timeout,
            "socket_connect_timeout": self.timeout,
            "retry": Retry(NoBackoff(), 0),  # the next look is the next try
            "protocol": 2,  # every server knows it, and says plainly when a password is missing
        }
        async with asyncio.timeout(self.timeout), Redis.from_url(self.redis_url, **options) as server:
            info: dict[str, Any] = await server.info()
            return info

    def _failed(self, why: Exception) -> None:
        logger.warning("%s: %s failed: %s", self.name, without_password(self.redis_url), why or type(why).__name__)
        self.statsd.increment("redis_stats.error")
