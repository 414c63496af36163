"""The logger of the package, and how log output is set up from a level and a destination.

Every module logs through :data:`logger`. ``circusd``, ``circusd-stats`` and ``circus-plugin`` call
:func:`configure_logger` once their settings are known; a USR1 or HUP ends in :func:`reopen_log_files`. This module
must not know watchers, arbiters or configuration files: it gets plain strings. The rarely needed parts of
:mod:`logging` (handlers, config) are imported where they are used, which keeps them off the start path.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Any

from circus.exc import ConfigError

#: Level words of options and command lines, as numbers of :mod:`logging`.
LOG_LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
LOG_FMT = "%(asctime)s %(name)s[%(process)d] [%(levelname)s] %(message)s"
LOG_DATE_FMT = "%Y-%m-%d %H:%M:%S"
LOG_DATE_SYSLOG_FMT = "%b %d %H:%M:%S"

# A message logged before the settings are known must reach somebody: the root logger writes to stderr from
# now on.
logging.basicConfig()

logger = logging.getLogger("circus")
# Some versions of Python 3.13 dropped ``Logger.warn``; hooks and plugins written for Circus still call it.
if not hasattr(logger, "warn"):
    setattr(logger, "warn", logger.warning)  # noqa: B010 - an attribute that the type does not declare

#: The handler that :func:`configure_logger` put on the root logger; it is ours to close when it is replaced.
_installed: logging.Handler | None = None


def configure_logger(
    logger: logging.Logger | None,
    level: str | int | None = "INFO",
    output: str = "-",
    loggerconfig: str | None = None,
    name: str | None = None,
) -> None:
    """Send what is logged to ``output``, or set logging up from a configuration file (spec config.md 10).

    Without ``loggerconfig`` the *root* logger gets exactly one handler, so that messages of libraries arrive
    in the same place; the new one is built first, and a destination that cannot be opened leaves the old one
    at work.

    :param logger: kept for compatibility and unused; may be None.
    :param level: one of :data:`LOG_LEVELS` in any case; anything unknown means ``info``.
    :param output: ``-`` or ``stdout`` for the standard error, ``syslog://host[:port]?facility`` (UDP, port
        514), ``syslog:///path?facility``, else the path of a file that is appended to and opened again when
        rotated.
    :param loggerconfig: None or ``default``, else a ``.ini``, ``.json`` or ``.yaml`` file in the notation of
        :mod:`logging.config`, which then replaces ``level`` and ``output``.
    :param name: kept for compatibility and unused.
    :raises ConfigError: when the extension of ``loggerconfig`` is unknown, or YAML cannot be read here.
    :raises OSError: when a file cannot be opened.
    """
    global _installed
    if loggerconfig and loggerconfig.lower() != "default":
        _configure_from_file(os.path.abspath(loggerconfig))
        return
    handler = _open_handler(output)
    root = logging.getLogger()
    root.setLevel(_level_number(level))
    previous, _installed = _installed, handler
    root.handlers[:] = [handler]
    if previous is not None:
        previous.close()


def reopen_log_files() -> list[str]:
    """Open the file of every log handler again after a rotation moved the old one; returns their paths.

    A file that cannot be opened keeps its old handle: losing the log would be worse than writing to the moved
    file.
    """
    reopened = []
    for handler in _file_handlers():
        if handler.stream is None:  # opened at its first message, which finds the new file by itself
            continue
        try:
            stream = handler._open()
        except OSError as error:
            name = handler.baseFilename
            logger.error("log file %r cannot be opened again (%s); still writing to the old one", name, error)
            continue
        handler.acquire()
        try:
            previous = handler.setStream(stream)
            if hasattr(handler, "_statstream"):  # a watched file remembers the inode that it writes to
                handler._statstream()
        finally:
            handler.release()
        if previous is not None:
            previous.close()
        reopened.append(handler.baseFilename)
    return reopened


def _file_handlers() -> list[logging.FileHandler]:
    """Every file handler of the root logger and of all named loggers, each once."""
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    found: dict[int, logging.FileHandler] = {}
    for each in loggers:
        for handler in getattr(each, "handlers", ()):  # a placeholder between two names has none
            if isinstance(handler, logging.FileHandler):
                found[id(handler)] = handler
    return list(found.values())


def _level_number(level: str | int | None) -> int:
    if isinstance(level, int):
        return level
    return LOG_LEVELS.get((level or "").strip().lower(), logging.INFO)


def _open_handler(output: str) -> logging.Handler:
    date_format = LOG_DATE_FMT
    handler: logging.Handler
    if output in ("-", "stdout"):
        handler = logging.StreamHandler()
    elif output.startswith("syslog://"):
        handler = _open_syslog(output.removeprefix("syslog://"))
        date_format = LOG_DATE_SYSLOG_FMT
    else:
        handler = _open_watched_file(output)
    handler.setFormatter(logging.Formatter(LOG_FMT, date_format))
    return handler


def _open_watched_file(path: str) -> logging.Handler:
    """Append to ``path`` and follow a rotation. Python closes its files on exec: no worker inherits them."""
    from logging.handlers import WatchedFileHandler  # kept off the start path

    class WatchedLogFile(_CountsLosses, WatchedFileHandler):
        """The log file of circusd."""

    return WatchedLogFile(path)


class _CountsLosses(logging.Handler):
    """A part of a handler: a line that cannot be written is lost and counted, and standard error is told once.

    The base classes print a traceback for each of them, or raise when a rotated file cannot be opened again.
    """

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        before = self.lost
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)
        if before and self.lost == before:
            self.lost = 0
            text = f"{before} lines of this log were lost"
            super().emit(logging.LogRecord(record.name, logging.WARNING, "", 0, text, None, None))

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a mistake in the call that logs
            super().handleError(record)
            return
        if not self.lost and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # there is nobody left to tell
                text = f"the log {self} cannot be written: {error}; its lines are lost until it can, from this on: "
                sys.stderr.write(text + self.format(record) + "\n")
                sys.stderr.flush()
        self.lost += 1


def _open_syslog(destination: str) -> logging.Handler:
    """``host[:port][?facility]`` over UDP, or ``/path[?facility]`` of a Unix socket."""
    from logging.handlers import SYSLOG_UDP_PORT, SysLogHandler  # kept off the start path

    address, _, word = destination.partition("?")
    facility = word.lower() if word.lower() in SysLogHandler.facility_names else "user"

    class SystemLog(_CountsLosses, SysLogHandler):
        """The log of circusd at a syslog daemon."""

    if address.startswith("/"):
        return SystemLog(address, facility)
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):  # no port; a bracketed IPv6 address has colons of its own
        host, port = address, ""
    return SystemLog((host.strip("[]") or "localhost", int(port or SYSLOG_UDP_PORT)), facility)


def _configure_from_file(path: str) -> None:
    import logging.config  # kept off the start path

    extension = os.path.splitext(path)[1].lower()
    if extension not in (".ini", ".json", ".yaml"):
        raise ConfigError(
            f"Logger configuration file {path} is not in one of the recognized formats.  "
            "The file name should be: *.ini, *.json or *.yaml."
        )
    if extension == ".ini":
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path} doesn't exist")
        # The loggers of Circus exist already; a file that names only the root must not silence them.
        logging.config.fileConfig(path, disable_existing_loggers=False)
        return
    settings = _read_json(path) if extension == ".json" else _read_yaml(path)
    settings.setdefault("disable_existing_loggers", False)
    logging.config.dictConfig(settings)


def _read_json(path: str) -> dict[str, Any]:
    import json  # kept off the start path

    with open(path, encoding="utf-8") as file:
        return _as_table(path, json.load(file))


def _read_yaml(path: str) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]  # kept off the start path, and optional
    except ImportError as error:
        raise ConfigError(
            f"Logger configuration file {path} appears to be a YAML file but PyYAML is not available. "
            "Try: pip install PyYAML"
        ) from error
    with open(path, encoding="utf-8") as file:
        return _as_table(path, yaml.safe_load(file))


def _as_table(path: str, content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"Logger configuration file {path} does not contain a table of settings")
    return content
