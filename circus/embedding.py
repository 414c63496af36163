"""``get_arbiter``: the function that embedding programs call (spec library.md 1)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from circus.base.endpoints import (
    DEFAULT_ENDPOINT_DEALER,
    DEFAULT_ENDPOINT_MULTICAST,
    DEFAULT_ENDPOINT_STATS,
    DEFAULT_ENDPOINT_SUB,
)


class ArbiterHandler:
    """Makes arbiters from plain mappings. Call an instance as a function; ``circus.get_arbiter`` is one."""

    def __call__(
        self,
        watchers: Iterable[Mapping[str, Any]],
        controller: str | None = None,
        pubsub_endpoint: str | None = None,
        statsd: bool = False,
        stats_endpoint: str | None = None,
        statsd_close_outputs: bool = False,
        multicast_endpoint: str | None = None,
        env: Any = None,
        name: Any = None,
        context: Any = None,
        background: bool = False,
        stream_backend: str = "thread",
        httpd: bool = False,
        plugins: Iterable[Mapping[str, Any]] | None = None,
        debug: bool = False,
        proc_name: str = "circusd",
        loop: Any = None,
        check_delay: float = 1.0,
        **kw: Any,
    ) -> Any:
        """An unstarted arbiter.

        :param watchers: mappings of Watcher options; ``cmd`` is needed, ``name`` defaults to the program's name. They
            are left as they were.
        :param controller: control endpoint; ``pubsub_endpoint``, ``stats_endpoint``, ``multicast_endpoint`` likewise,
            each with the default of the daemon.
        :param statsd: run circusd-stats.
        :param env: name: accepted and ignored, as before.
        :param background: True for a :class:`~circus.arbiter.ThreadedArbiter`.
        :param stream_backend: kept as an option of every watcher, without effect.
        :param kw: further parameters of :class:`~circus.arbiter.Arbiter`.
        :raises KeyError: for a watcher without ``cmd``.
        """
        from circus.watcher import Watcher

        if stats_endpoint is None and statsd:
            stats_endpoint = DEFAULT_ENDPOINT_STATS
        elif stats_endpoint is not None and not statsd:
            warnings.warn(
                "You defined a stats_endpoint without setting up statsd to True.", DeprecationWarning, stacklevel=2
            )
            statsd = True
        built = []
        for given in watchers:
            options = dict(given)
            options.setdefault("name", options["cmd"].split()[0].rpartition("/")[2])
            options["stream_backend"] = stream_backend
            built.append(Watcher.load_from_config(options))
        arbiter = self._get_arbiter_klass(background=background)(
            built,
            controller or DEFAULT_ENDPOINT_DEALER,
            pubsub_endpoint or DEFAULT_ENDPOINT_SUB,
            httpd=httpd,
            statsd=statsd,
            stats_endpoint=stats_endpoint,
            statsd_close_outputs=statsd_close_outputs,
            multicast_endpoint=multicast_endpoint or DEFAULT_ENDPOINT_MULTICAST,
            plugins=plugins,
            debug=debug,
            context=context,
            proc_name=proc_name,
            loop=loop,
            check_delay=check_delay,
            **kw,
        )
        # UDP discovery answers only when it was asked for (decision 14); the default is still reported.
        arbiter.multicast_answers = multicast_endpoint is not None
        return arbiter

    def _get_arbiter_klass(self, background: bool) -> Any:
        from circus.arbiter import Arbiter, ThreadedArbiter

        return ThreadedArbiter if background else Arbiter


get_arbiter = ArbiterHandler()
