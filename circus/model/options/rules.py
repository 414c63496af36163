"""Questions about options that need more than one row: what a client may set, and which options go together.

``set`` and ``add`` call :func:`convert_option` (on the side of ``circusctl``) and :func:`validate_option`;
whoever is about to make or change a watcher calls :func:`check_watcher`. The texts are contractual (spec
wire.md 5.3, 5.5, library.md 8, config.md 11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from circus.exc import ArgumentError, OptionError
from circus.model.hooktable import HOOKS
from circus.model.options.kinds import Integer
from circus.model.options.table import Option
from circus.model.options.tables import STREAM, WATCHER

_STREAM_FAMILIES = ("stdout_stream.", "stderr_stream.")


def convert_option(key: str, val: str) -> Any:
    """The value to send for an option typed on a command line.

    :param key: name of a watcher option that ``set`` accepts.
    :param val: its text.
    :raises ArgumentError: ``unknown key 'x'``, and for hooks that do not exist.
    :raises ValueError: when the text does not mean such a value.
    """
    option = _known(key, adding=False)
    if option is None:
        raise ArgumentError(f"unknown key {key!r}")
    if option.family == "hooks.":
        hook = key.removeprefix("hooks.")
        if hook not in HOOKS:
            raise ArgumentError(f"unknown hook {hook!r}")
        return option.kind.console(val)
    if option.family in _STREAM_FAMILIES:
        setting = STREAM.find(key.removeprefix(option.family))
        return setting.kind.console(val) if setting is not None and isinstance(setting.kind, Integer) else val
    if option.name == "hooks":
        try:
            return option.kind.console(val)
        except ValueError as error:
            raise ArgumentError(str(error)) from error
    if option.name in _STREAM_NAMES and not val.lstrip().startswith("{"):
        raise ArgumentError(f"unknown key {key!r}")  # a whole stream can only be given as an object
    return option.kind.console(val)


_STREAM_NAMES = tuple(family.rstrip(".") for family in _STREAM_FAMILIES)


def validate_option(key: str, val: Any, *, adding: bool = False) -> None:
    """Refuse an option that a client must not set, or a value of a wrong type.

    :param key: the option as named by the client.
    :param val: the JSON value.
    :param adding: True for the options of ``add``, which accepts more of them than ``set``; default False.
    :raises OptionError: with the text for the client; it is a MessageError.
    """
    check_option(key, val, adding=adding)


def check_option(key: str, val: Any, *, adding: bool = False) -> Any:
    """As :func:`validate_option`, and return the value as it is to be applied (a float for a number, and so
    on).
    """
    option = _known(key, adding=adding)
    if option is None:
        raise OptionError(f"unknown key {key!r}", str(key), val)
    return option.kind.check(key, val)


def _known(key: Any, *, adding: bool) -> Option | None:
    option = WATCHER.find(key) if isinstance(key, str) else None
    if option is None or not (option.addable if adding else option.settable):
        return None
    return option


def check_watcher(options: Mapping[str, Any]) -> list[OptionError]:
    """What is wrong with a watcher as a whole, its options taken together; empty when nothing is.

    :param options: name to value, as in the dict of ``get_config`` or the arguments of ``Watcher``. Options
        not given have their defaults; unknown ones are ignored.
    """
    found = (rule(options) for rule in RULES)
    return [error for error in found if error is not None]


def _get(options: Mapping[str, Any], name: str) -> Any:
    value = options.get(name)
    return WATCHER[name].default if value is None else value


def watcher_has_a_name(options: Mapping[str, Any]) -> OptionError | None:
    """A name given must not be empty."""
    name = options.get("name", "-")
    if isinstance(name, str) and name.strip():
        return None
    return OptionError("command name shouldn't be empty", "name", name)


def singleton_has_one_process(options: Mapping[str, Any]) -> OptionError | None:
    """A singleton runs one process or none."""
    count = _get(options, "numprocesses")
    if not _get(options, "singleton") or count in (0, 1):
        return None
    return OptionError(f"Cannot have {count} processes with a singleton  watcher", "numprocesses", count)


def copy_path_needs_copy_env(options: Mapping[str, Any]) -> OptionError | None:
    """PYTHONPATH is handed on only together with the rest of the environment."""
    if not _get(options, "copy_path") or _get(options, "copy_env"):
        return None
    return OptionError("copy_env and copy_path must have the same value", "copy_path", True)


def virtualenv_needs_copy_env(options: Mapping[str, Any]) -> OptionError | None:
    """Activating a virtualenv extends the PATH of the daemon."""
    if not _get(options, "virtualenv") or _get(options, "copy_env"):
        return None
    return OptionError("copy_env must be True to to use virtualenv", "virtualenv", options["virtualenv"])


#: The cross checks, in the order in which they are reported.
RULES: tuple[Callable[[Mapping[str, Any]], OptionError | None], ...] = (
    watcher_has_a_name,
    singleton_has_one_process,
    copy_path_needs_copy_env,
    virtualenv_needs_copy_env,
)
