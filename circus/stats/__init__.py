"""``circusd-stats``: the program that measures what a daemon's processes use and publishes it (spec stats-web.md 1).

Its command line; :mod:`circus.stats.service` is what it runs. circusd starts it as one of its watchers when
``statsd = True``; it can be run by hand next to any daemon of this host.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from circus import __version__
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_STATS, DEFAULT_ENDPOINT_SUB
from circus.base.logs import configure_logger, logger, reopen_log_files
from circus.base.tasks import unwrap_loop
from circus.sighandler import SysHandler as _SysHandler

if TYPE_CHECKING:
    import argparse

__all__ = ["SysHandler", "build_parser", "main"]

#: Descriptors that this program may use, as far as the system lets it: two for each process it watches.
_DESCRIPTORS = 65536
#: Seconds.
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.05, 3600.0


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


class Arguments:
    """What was said on the command line."""

    endpoint = DEFAULT_ENDPOINT_DEALER
    pubsub = DEFAULT_ENDPOINT_SUB
    statspoint = DEFAULT_ENDPOINT_STATS
    interval = 1.0
    metrics: str | None = None
    loglevel = "info"
    logoutput = "-"
    ssh: str | None = None


#: The options that take a value: name, attribute of :class:`Arguments`, placeholder, help.
_OPTIONS = (
    ("--endpoint", "endpoint", "ENDPOINT", "the control endpoint of circusd"),
    ("--pubsub", "pubsub", "ENDPOINT", "the endpoint circusd publishes events on"),
    ("--statspoint", "statspoint", "ENDPOINT", "the endpoint to publish statistics on"),
    ("--interval", "interval", "SECONDS", "between two samples (1)"),
    ("--metrics", "metrics", "URL", "serve OpenMetrics at http://HOST:PORT/PATH or HOST:PORT"),
    ("--log-level", "loglevel", "LEVEL", "log level"),
    ("--log-output", "logoutput", "FILE", "log file, or - for stderr"),
    ("--ssh", "ssh", "SERVER", "reach circusd through this ssh server, [user@]host[:port]"),
)


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec cli.md 4."""
    import argparse  # takes more memory than what the program does; see parse_arguments()

    parser = argparse.ArgumentParser(prog="circusd-stats", description="Runs the stats aggregator for Circus")
    for name, attribute, placeholder, text in _OPTIONS:
        default = getattr(Arguments, attribute)
        kind = type(default) if default is not None else str
        parser.add_argument(name, dest=attribute, default=default, type=kind, metavar=placeholder, help=text)
    parser.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    return parser


def parse_arguments(words: Sequence[str] | None = None) -> Arguments:
    """What was said; exits on ``--help``, ``--version`` and whatever makes no sense."""
    given = list(sys.argv[1:] if words is None else words)
    args = _plain_arguments(given)
    if args is None:
        args = build_parser().parse_args(given, Arguments())
    if not _SHORTEST_INTERVAL <= args.interval <= _LONGEST_INTERVAL:
        between = f"between {_SHORTEST_INTERVAL:g} and {_LONGEST_INTERVAL:g} seconds"
        build_parser().error(f"argument --interval: {args.interval:g} is not {between}")
    return args


def _plain_arguments(words: Sequence[str]) -> Arguments | None:
    """Arguments as circusd writes them, ``--name value`` and nothing else; None when there is more to understand."""
    attributes = {name: attribute for name, attribute, _, _ in _OPTIONS}
    args = Arguments()
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name not in attributes or (value.startswith("-") and value != "-"):
            return None
        setattr(args, attributes[name], value)
    try:
        args.interval = float(args.interval)
    except ValueError:
        return None
    return args if len(words) % 2 == 0 else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until a signal says stop. Ends in SystemExit: 0 then, 1 when the endpoint cannot be bound, 2 for bad
    arguments.
    """
    args = parse_arguments(arguments)
    try:
        configure_logger(logger, args.loglevel, args.logoutput)
    except (ValueError, OSError) as error:
        sys.exit(f"circusd-stats: {error}")
    _raise_descriptor_limit()
    sys.exit(_run(args))


def _run(args: Arguments) -> int:
    from circus.system.zmqcontext import load_zmq

    zmq = load_zmq()
    from circus.exc import CircusError
    from circus.stats.service import StatsService
    from circus.system.plainloop import PlainLoop  # asyncio would be an eighth of the memory this program takes

    context = zmq.Context()
    service = StatsService(
        args.endpoint, args.pubsub, args.statspoint, ssh_server=args.ssh, interval=args.interval,
        metrics=args.metrics, context=context,
    )
    service.loop = loop = PlainLoop()
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
        loop.close()
        logger.info("Stats streamer stopped")


def _raise_descriptor_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
