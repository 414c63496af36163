"""From a configuration file to the dict that the daemon is built from (spec config.md, library.md 9).

circusd, ``Arbiter.load_from_config`` and reloadconfig call :func:`get_config`; ``circusd --check`` calls
:func:`check`. This is the face of three more modules: :mod:`circus.ini` reads the dialect,
:mod:`circus.configload` makes dicts of sections, :mod:`circus.configcheck` looks for trouble. Here problems
become exceptions and log lines.

The dict has the keys that Circus 0.19 gave it; other options are in it when the file gives them. It and the
dicts of its sections are :class:`~circus.model.origin.Located`, so that ``config.where("cmd")`` tells file
and line. The pseudo option ``__name__`` of a section's dict is its header; it is not an option and never
reaches an environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from circus.base.convert import to_bool
from circus.configload import Loaded, load, read_document, watcher_defaults
from circus.exc import ConfigError
from circus.ini import Document, StrictConfigParser
from circus.model.options import UNLIMITED
from circus.model.origin import Problem
from circus.model.variables import EnvScope, expand

__all__ = [
    "DefaultConfigParser",
    "InvalidConfig",
    "Loaded",
    "Problem",
    "StrictConfigParser",
    "check",
    "get_config",
    "load",
    "read_config",
    "rlimit_value",
    "watcher_defaults",
]

#: Warnings already logged by this process: a daemon that reads its file again does not repeat them.
_logged: set[tuple[str, int, str, str]] = set()


class InvalidConfig(ConfigError, ValueError):
    """A configuration file with errors; the text begins with that of the first one, in the words of Circus
    0.19.
    """


def get_config(config_file: str) -> dict[str, Any]:
    """The configuration in a file and those it includes, with all defaults. Warnings are logged, each once.

    :param config_file: path of the main file.
    :raises OSError: when it does not exist or cannot be read.
    :raises InvalidConfig: when it has errors; all are listed. It is both a ConfigError and a ValueError.
    """
    loaded = load(config_file)
    _settle(loaded.problems)
    return loaded.config


def check(config_file: str) -> tuple[Problem, ...]:
    """Everything wrong with a configuration, found without starting anything.

    Also what :func:`load` does not look at, such as users that do not exist and hooks that cannot be
    imported.
    """
    from circus.configcheck import check_file  # only for ``circusd --check``

    return check_file(config_file)


def read_config(config_path: str) -> tuple[DefaultConfigParser, list[str]]:
    """The sections of a file and those it includes, and the names of all files read.

    :raises OSError: when the main file cannot be read. :raises InvalidConfig: when one cannot be parsed.
    """
    document = read_document(config_path)
    _settle(document.problems)
    return DefaultConfigParser(document=document), list(document.files)


def rlimit_value(val: str | None) -> int:
    """The resource limit that a text means; None and nothing are infinity."""
    return int(val) if val else UNLIMITED


class DefaultConfigParser(StrictConfigParser):
    """Compatibility: a parser whose values have ``$(circus.env.X)`` expanded."""

    def __init__(self, defaults: Mapping[str, str] | None = None, document: Document | None = None) -> None:
        super().__init__(defaults, document)
        self._scope = EnvScope(dict(os.environ))

    def set_env(self, env: Mapping[str, str]) -> None:
        """The variables to expand with; at first those of the process."""
        self._scope = EnvScope(dict(env))

    def get(self, section: str, option: str) -> str:
        """The value of an option, expanded."""
        return expand(super().get(section, option), self._scope)

    def items(self, section: str, noreplace: bool = False) -> list[tuple[str, str]]:
        """Names and values of a section, expanded unless ``noreplace``."""
        found = super().items(section)
        return found if noreplace else [(name, expand(value, self._scope)) for name, value in found]

    def dget(self, section: str, option: str, default: Any = None, type: Any = str) -> Any:
        """The value of an option as str, int, bool or float; ``default``, unconverted, when it is not there.
        """
        if not self.has_option(section, option):
            return default
        value = self.get(section, option)
        if type is bool:
            return to_bool(value)
        if type in (str, int, float):
            return type(value)
        raise NotImplementedError(type)


def _settle(problems: Sequence[Problem]) -> None:
    """Log the warnings, raise the errors."""
    for problem in problems:
        if not problem.is_error:
            _warn(problem)
    errors = tuple(problem for problem in problems if problem.is_error)
    if errors:
        first = errors[0]
        # The errors of the parser name file and line themselves.
        lines = [first.text if first.file in first.text else f"{first.text} ({first.location})"]
        raise InvalidConfig("\n".join(lines + [str(problem) for problem in errors[1:]]), errors)


def _warn(problem: Problem) -> None:
    import warnings  # most files have none to give

    from circus.base.logs import logger  # kept off the start path of files without warnings

    key = (problem.file, problem.line, problem.option, problem.text)
    if problem.code == "include":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            logger.warn(problem.text)  # this spelling is contractual (spec library.md 1)
    elif problem.code == "statsd":
        warnings.warn(problem.text, DeprecationWarning, stacklevel=4)
    elif key not in _logged:
        if len(_logged) > 10000:
            _logged.clear()
        _logged.add(key)
        logger.warning("%s", problem)
