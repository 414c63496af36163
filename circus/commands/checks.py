"""Reading single values: out of the properties of a request (server), and off a command line (client).

Called by the command modules. The first group raises MessageError with the texts of spec wire.md 5.2, the
second ArgumentError with one line for the terminal.
"""

from __future__ import annotations

import math

from circus.exc import ArgumentError, MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# -- properties of a request --------------------------------------------------------------------------


def whole_number(props: Mapping[str, Any], key: str) -> int:
    """The property as int; numeric text is accepted, because ``circusctl`` sends pids as text.

    :raises MessageError: ``'pid' isn't an integer: invalid literal for int() with base 10: 'xx'``.
    """
    value = props[key]
    if type(value) is int:
        return value
    if isinstance(value, bool):
        raise MessageError(f"{key!r} isn't an integer: {value!r}")
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as failure:
        raise MessageError(f"{key!r} isn't an integer: {failure}") from None


def count(props: Mapping[str, Any], key: str, default: int) -> int:
    """The property as int, or ``default`` when it is absent; nothing but a JSON integer will do.

    :raises MessageError: ``'nb' isn't an integer``.
    """
    value = props.get(key, default)
    if type(value) is not int:
        raise MessageError(f"{key!r} isn't an integer")
    return value


def seconds(props: Mapping[str, Any], key: str) -> float | None:
    """The property as a time span, or None when it is absent or null; numeric text will do, negative is 0.

    :raises MessageError: ``'graceful_timeout' isn't a number``.
    """
    value = props.get(key)
    if value is None:
        return None
    try:
        span = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        span = math.nan
    if not math.isfinite(span):
        raise MessageError(f"{key!r} isn't a number")
    return max(span, 0.0)


def signal_number(value: Any) -> int:
    """A signal given as number, numeric text or name (``TERM``, ``sigterm``, ``SIGRTMIN+2``).

    :raises MessageError: ``signal invalid``.
    """
    import signal  # kept off the way of circusctl, as the conversion is

    from circus.base.convert import to_signum

    try:
        number = to_signum(value)
    except (TypeError, ValueError, OverflowError):
        raise MessageError("signal invalid") from None
    if not 0 <= number < signal.NSIG:
        raise MessageError("signal invalid")
    return number


# -- words of a command line --------------------------------------------------------------------------


def int_argument(word: Any, what: str) -> int:
    """A word of the command line as int. :raises ArgumentError: ``<what> isn't an integer: 'x'``."""
    try:
        return int(word)
    except (TypeError, ValueError):
        raise ArgumentError(f"{what} isn't an integer: {quote(word)}") from None


def float_argument(word: Any, what: str) -> float:
    """A word of the command line as a number. :raises ArgumentError: ``<what> isn't a number: 'x'``."""
    try:
        number = float(word)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"{what} isn't a number: {quote(word)}")
    return number


def expect_arguments(args: tuple[object, ...], least: int, most: int | None, text: str) -> None:
    """Refuse a wrong number of arguments. :raises ArgumentError: ``text``."""
    if len(args) < least or (most is not None and len(args) > most):
        raise ArgumentError(text)
