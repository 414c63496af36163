"""``circusd-stats``: the program that measures what a daemon's processes use and publishes it (spec stats-web.md 1).

Its command line; :mod:`circus.stats.service` is what it runs. circusd starts it as one of its watchers when
``statsd = True``; it can be run by hand next to any daemon of this host.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_STATS, DEFAULT_ENDPOINT_SUB
from circus.base.logs import configure_logger, logger, reopen_log_files
from circus.base.tasks import unwrap_loop
from circus.sighandler import SysHandler as _SysHandler

__all__ = ["SysHandler", "build_parser", "main"]

#: Descriptors that this program may use, as far as the system lets it: two for each process it watches.
_DESCRIPTORS = 65536
_SHORTEST_INTERVAL = 0.05


class SysHandler(_SysHandler):
    """TERM, INT and QUIT end the program; USR1 opens its log files again; HUP and WINCH are no reason to end.

    :param streamer: what is stopped, an object with ``loop`` and ``stop()``.
    """

    def __init__(self, streamer: Any) -> None:
        self.streamer = streamer
        super().__init__(streamer)
        self._loop = unwrap_loop(self._loop)

    def quit(self) -> None:
        """End the program."""
        self.streamer.stop()

    def reload(self) -> None:
        """Nothing is read from files."""

    def handle_usr1(self) -> None:
        """SIGUSR1: log files were rotated."""
        reopen_log_files()

    def handle_usr2(self) -> None:
        """SIGUSR2 means nothing here."""


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 4."""
    parser = argparse.ArgumentParser(prog="circusd-stats", description="Runs the stats aggregator for Circus")
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT_DEALER, help="the control endpoint of circusd")
    parser.add_argument("--pubsub", default=DEFAULT_ENDPOINT_SUB, help="the endpoint circusd publishes events on")
    parser.add_argument("--statspoint", default=DEFAULT_ENDPOINT_STATS, help="the endpoint to publish statistics on")
    parser.add_argument("--interval", type=_interval, default=1.0, metavar="SECONDS", help="between two samples (1)")
    parser.add_argument("--metrics", metavar="URL", help="serve OpenMetrics at http://HOST:PORT/PATH or HOST:PORT")
    parser.add_argument("--log-level", dest="loglevel", default="info", help="log level")
    parser.add_argument("--log-output", dest="logoutput", default="-", help="log file, or - for stderr")
    parser.add_argument("--ssh", help="reach circusd through this ssh server, [user@]host[:port]")
    parser.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    return parser


def _interval(text: str) -> float:
    seconds = float(text)
    if not _SHORTEST_INTERVAL <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between {_SHORTEST_INTERVAL:g} and 3600 seconds")
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until a signal says stop. Ends in SystemExit: 0 then, 1 when the endpoint cannot be bound, 2 for bad
    arguments.
    """
    args = build_parser().parse_args(arguments)
    try:
        configure_logger(logger, args.loglevel, args.logoutput)
    except (ValueError, OSError) as error:
        sys.exit(f"circusd-stats: {error}")
    _raise_descriptor_limit()
    sys.exit(_run(args))


def _run(args: argparse.Namespace) -> int:
    from circus.system.aio import load_asyncio

    asyncio = load_asyncio(tls=False)  # a quarter of the memory this program takes would be for TLS it never speaks
    import zmq

    from circus.exc import CircusError
    from circus.stats.service import StatsService

    context = zmq.Context()
    service = StatsService(
        args.endpoint, args.pubsub, args.statspoint, ssh_server=args.ssh, interval=args.interval,
        metrics=args.metrics, context=context,
    )
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    service.loop = loop
    handler = SysHandler(service)
    logger.info("Starting the stats streamer")
    try:
        service.on_stop = loop.stop
        service.start(loop)
        if service.publisher is not None:
            loop.run_forever()
        return 0
    except (OSError, zmq.ZMQError, CircusError, ImportError) as error:
        logger.error("circusd-stats cannot start: %s", error)
        return 1
    finally:
        service.on_stop = None
        service.stop()
        handler.stop()
        context.destroy(linger=0)
        asyncio.set_event_loop(None)
        loop.close()
        logger.info("Stats streamer stopped")


def _raise_descriptor_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
