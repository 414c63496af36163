"""A plugin that fetches a URL periodically, tells statsd how that went, and can restart a watcher when it fails.

Run by the plugin runner; it must not know what answers at the URL, nor whether a watcher of this daemon does.
Spec plugins-hooks-streams.md 1.6.
"""

from __future__ import annotations

from typing import Any

from circus.base.logs import logger
from circus.exc import OptionError
from circus.plugins.remedy import restart_watcher, without_password
from circus.plugins.statsd import BaseObserver
from circus.plugins.tables import HTTP_OBSERVER

#: The code under which failures are counted that are no answer of the server: refused, timed out, cut short...
NO_ANSWER = 599
#: A body is thrown away as it comes, so its length does not matter.
_ANY_LENGTH = 1 << 50


class HttpObserver(BaseObserver):
    """Fetches ``check_url`` every ``loop_rate`` seconds.

    An answer: timing ``http_stats.request_time`` in whole milliseconds. No answer within ``timeout`` seconds, or one
    with an error code: counters ``http_stats.error`` and ``http_stats.error.<code>``, 599 when there was none; and,
    with ``restart_on_error``, a restart of that watcher and the counter ``http_stats.restart_on_error``.

    Parameters: see :class:`~circus.plugins.base.CircusPlugin`; options: :data:`~circus.plugins.tables.HTTP_OBSERVER`.

    :raises OptionError: ``check_url`` is no http or https URL.
    """

    name = "http_observer"
    default_app_name = "http_observer"
    option_table = HTTP_OBSERVER

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        values = self.option_values
        self.check_url: str = values["check_url"]
        self.timeout: float = values["timeout"]
        self.restart_on_error: str | None = values["restart_on_error"]
        if not _is_fetchable(self.check_url):
            section = config.get("name", self.name)
            raise OptionError(
                f"[{section}] check_url: {self.check_url!r} is no URL (expected: http://host[:port]/path or https://...)",
                "check_url", self.check_url,
            )  # fmt: skip

    async def look_after(self) -> None:
        """Fetch the URL once."""
        from tornado.httpclient import AsyncHTTPClient, HTTPError  # kept off the start path of circusd

        client = AsyncHTTPClient(force_instance=True, max_body_size=_ANY_LENGTH)
        try:
            response = await client.fetch(
                self.check_url,
                connect_timeout=self.timeout,
                request_timeout=self.timeout,
                streaming_callback=lambda _: None,
            )
        except HTTPError as error:
            self._failed(error.code, error)
        except (OSError, UnicodeError) as error:  # refused, no such host (too long a name is a UnicodeError), bad TLS
            self._failed(NO_ANSWER, error)
        else:
            self.statsd.timed("http_stats.request_time", int((response.request_time or 0.0) * 1000))
        finally:
            client.close()

    def _failed(self, code: int, why: Exception) -> None:
        logger.warning("%s: %s failed: %s", self.name, without_password(self.check_url), why)
        self.statsd.increment("http_stats.error")
        self.statsd.increment(f"http_stats.error.{code}")
        if self.restart_on_error and restart_watcher(self, self.restart_on_error, "restart_on_error"):
            self.statsd.increment("http_stats.restart_on_error")


def _is_fetchable(url: str) -> bool:
    from urllib.parse import urlsplit  # kept off the start path of circusd

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
