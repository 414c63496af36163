"""``circus-plugin``: the process around one plugin. circusd starts it for each plugin section; it can be run
by hand.

It loads the class, constructs it, runs it, and sees to it that the plugin ends cleanly on the signals that
circusd and init systems send. It must not know what any particular plugin does.
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from circus import __version__
from circus.base.convert import to_bool
from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_SUB
from circus.base.imports import resolve_name
from circus.base.logs import configure_logger, logger
from circus.exc import CallError, ConfigError, OptionError
from circus.model.plugincmd import EX_CONFIG, decode_config
from circus.plugins.options import PluginTable

if TYPE_CHECKING:
    from circus.plugins.base import CircusPlugin

#: What ends a plugin in good order. circusd sends the watcher's stop_signal, SIGTERM unless configured
#: otherwise.
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP")


def main() -> None:
    """Run the program; ends in SystemExit: 0 after a wanted end, 1 after a failure, 2 for bad arguments,
    :data:`EX_CONFIG` for a configuration that cannot work.
    """
    parser = build_parser()
    args = parser.parse_args()
    if args.version:
        print(__version__)
        sys.exit(0)
    if args.plugin is None:
        parser.print_usage()
        sys.exit(0)
    configure_logger(logger, args.loglevel, args.logoutput)
    sys.exit(run(args))


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; spec plugins-hooks-streams.md 1.3."""
    parser = argparse.ArgumentParser(description="Runs a plugin.")
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT_DEALER, help="the control endpoint of circusd")
    parser.add_argument("--pubsub", default=DEFAULT_ENDPOINT_SUB, help="the endpoint circusd publishes events on")
    parser.add_argument("--config", help="the plugin's options, as key:value:::key:value or a JSON object")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("--check-delay", type=float, default=5.0, help="seconds between two checks of circusd")
    parser.add_argument("--log-level", dest="loglevel", default="info", help="log level")
    parser.add_argument("--log-output", dest="logoutput", default="-", help="log file, or - for stderr")
    parser.add_argument("--ssh", help="reach circusd through this ssh server, [user@]host[:port]")
    parser.add_argument("plugin", nargs="?", help="dotted name of the plugin's class")
    return parser


def run(args: argparse.Namespace) -> int:
    """Load, construct and run the plugin that the arguments name.

    :return: the exit code.
    """
    logger.info("Loading the plugin...")
    logger.info("Endpoint: %r", args.endpoint)
    logger.info("Pub/sub: %r", args.pubsub)
    config = decode_config(args.config)
    try:
        if not is_active(config):
            logger.info("The plugin %s is not active (active = %s): nothing to do.", args.plugin, config["active"])
            return 0
        factory = load(args.plugin)
        tell_oddities(factory, config)
        plugin = make(factory, args, config)
    except (ConfigError, OptionError) as error:
        logger.error("%s", error)
        logger.debug("the whole story", exc_info=True)
        return EX_CONFIG
    except OSError as error:  # a constructor's: the plugin may do better another time
        logger.exception("The plugin %s failed: %s", args.plugin, error)
        return 1
    return live(plugin, args.plugin)


def is_active(config: Mapping[str, str]) -> bool:
    """What ``active`` of the section says.

    :raises OptionError: neither yes nor no.
    """
    try:
        return to_bool(config.get("active", True))
    except ValueError as error:
        text = f"{_section(config)}active: {error} (expected: boolean; default true)"
        raise OptionError(text, "active", config["active"]) from error


def load(name: str) -> Callable[..., CircusPlugin]:
    """The class of that name.

    :raises ConfigError: it cannot be imported, or is not a class.
    """
    try:
        found = resolve_name(name)
    except ImportError as error:
        cause = getattr(error, "exception", None) or error.__cause__ or error
        raise ConfigError(f"import_string() failed for {name!r}: {type(cause).__name__}: {cause}") from error
    except Exception as error:
        raise ConfigError(f"importing {name!r} raised {_describe(error)}") from error
    if not callable(found):
        text = f"{name!r} is a {type(found).__name__}, not a plugin class (expected: package.module.Class)"
        raise ConfigError(text)
    return found  # type: ignore[no-any-return]


def tell_oddities(factory: Callable[..., object], config: Mapping[str, str]) -> None:
    """Warn about what the table of the class finds odd; errors are told by the constructor."""
    table: Any = getattr(factory, "option_table", None)
    if isinstance(table, PluginTable):
        for each in table.findings(config, complete="option_table" in vars(factory)):
            if each.severity == "warning":
                hint = f" ({each.hint})" if each.hint else ""
                logger.warning("%s%s: %s%s", _section(config), each.option, each.text, hint)


def make(factory: Callable[..., CircusPlugin], args: argparse.Namespace, config: Mapping[str, str]) -> CircusPlugin:
    """Construct the plugin.

    :raises OptionError: it refuses an option.
    :raises ConfigError: its constructor fails in another way, which will be the same the next time.
    :raises OSError: its constructor fails because of something outside.
    """
    try:
        plugin = construct(factory, args.endpoint, args.pubsub, args.check_delay, args.ssh, config)
    except (ConfigError, OptionError, OSError):
        raise
    except Exception as error:
        raise ConfigError(f"{_section(config)}{args.plugin} cannot be made: {_describe(error)}") from error
    missing = [method for method in ("start", "stop") if not callable(getattr(plugin, method, None))]
    if missing:
        raise ConfigError(f"{args.plugin!r} is not a plugin class: it has no method {missing[0]}()")
    return plugin


def live(plugin: CircusPlugin, name: str) -> int:
    """Run a plugin until it ends; the exit code."""
    import zmq  # later than the complaints about a bad configuration

    try:
        try:
            stop_on_signals(plugin)
            logger.info("Starting")
            plugin.start()
        finally:
            logger.info("Stopping")
            plugin.stop()
    except (CallError, zmq.ZMQError) as error:  # the endpoints; no fault of the plugin's
        logger.error("The plugin %s failed: %s", name, error)
        logger.debug("the whole story", exc_info=True)
        return 1
    except Exception:
        # The border to other people's code; circusd's log is where the author of the plugin looks.
        logger.exception("The plugin %s failed", name)
        return 1
    return 0


def _section(config: Mapping[str, str]) -> str:
    """The beginning of a message about a section; nothing when it has no name."""
    return f"[{config['name']}] " if config.get("name") else ""


def _describe(error: Exception) -> str:
    """Type, text and place of an error in somebody else's code, on one line."""
    text = " ".join(str(error).split())
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})" if trace else ""
    return f"{type(error).__name__}: {text}{place}"


def construct(
    factory: Callable[..., CircusPlugin],
    endpoint: str,
    pubsub: str,
    check_delay: float,
    ssh_server: str | None,
    config: Mapping[str, str],
) -> CircusPlugin:
    """Call a plugin's class with keywords, so that a constructor may name only its own options and
    ``**kwargs``.

    One that refuses keywords, or that begins with ``*args`` and so was written for them, gets the four facts
    about the daemon by position, as in Circus 0.19, unless it could not be called so either: then the error that
    it raises should speak of the option that is missing. An option that is called like one of the four is not
    passed on.

    :raises Exception: whatever the constructor raises.
    """
    facts = {
        "endpoint": endpoint,
        "pubsub_endpoint": pubsub,
        "check_delay": check_delay,
        "ssh_server": ssh_server,
    }
    for name in facts.keys() & config.keys():
        logger.warning("The option %r of the plugin's section is ignored: circusd sets it", name)
    options = {name: value for name, value in config.items() if name not in facts}
    if takes_keywords(factory, {**facts, **options}) or not can_be_called(factory, *facts.values(), **options):
        return factory(**facts, **options)
    return factory(*facts.values(), **options)


def takes_keywords(factory: Callable[..., object], keywords: Mapping[str, object]) -> bool:
    """Whether a callable can be called with these keywords alone and is not made for positions (``*args``)."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # classes written in C need not have one
        return False
    first = next(iter(signature.parameters.values()), None)
    if first is not None and first.kind is inspect.Parameter.VAR_POSITIONAL:
        return False
    return can_be_called(factory, **keywords)


def can_be_called(factory: Callable[..., object], *args: object, **keywords: object) -> bool:
    """Whether the signature of a callable admits these arguments; yes for one that has no signature."""
    try:
        inspect.signature(factory).bind(*args, **keywords)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def stop_on_signals(plugin: CircusPlugin) -> None:
    """From now on the first stop signal ends the plugin by way of ``handle_stop``; a second one kills it."""
    loop: Any = plugin.loop.asyncio_loop  # type: ignore[attr-defined]
    signals = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]

    def stop(signum: signal.Signals) -> None:
        logger.debug("Got signal %s", signum.name)
        for caught in signals:
            loop.remove_signal_handler(caught)
        try:
            plugin.stop()
        except Exception:
            logger.exception("handle_stop failed")

    for signum in signals:
        loop.add_signal_handler(signum, stop, signum)
