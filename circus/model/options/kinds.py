"""What sorts of values options have: read from text, checked when they come as JSON, written back as text.

Here are the simple ones; :mod:`circus.model.options.compound` has those with a notation of their own.

A kind knows nothing of the option it serves but the name it is told; the tables in
:mod:`circus.model.options.tables` put the two together. The error texts are contractual: those of ``parse``
are what a configuration file is refused with (spec config.md 2 and 5), those of ``check`` what a client is
answered (spec wire.md 5.3 and 5.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus.base.convert import human2bytes, parse_umask, to_bool, to_signum
from circus.exc import OptionError


class Kind:
    """Any text, taken as it is. Base of all kinds."""

    #: How the manual and messages call such a value.
    word = "text"

    def parse(self, text: str) -> Any:
        """The value that a configuration file or command line means by ``text``.

        :raises ValueError: when it means none; the text of the error is shown to the user.
        """
        return text

    def console(self, text: str) -> Any:
        """What ``circusctl set`` sends for ``text``: JSON that :meth:`check` accepts. Default: :meth:`parse`.
        """
        return self.parse(text)

    def check(self, name: str, value: Any) -> Any:
        """``value`` as it is to be applied, given what a client sent for option ``name``.

        :raises OptionError: when it is of a wrong type or out of bounds.
        """
        return value

    def render(self, value: Any) -> str:
        """The text that :meth:`parse` would read as ``value``; None is nothing."""
        return "" if value is None else str(value)


class Text(Kind):
    """Text, or None for "not set"."""

    def check(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        raise OptionError(f"{name!r} isn't a string", name, value)


class Words(Kind):
    """A command line or part of one: text, or a list of words from programs. Numbers become text."""

    word = "command line"

    def __init__(self, *, required: bool = False) -> None:
        self.required = required

    def check(self, name: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [item if isinstance(item, str) else str(item) for item in value]
        if isinstance(value, Mapping) or (value is None and self.required):
            raise OptionError(f"{name!r} isn't a string", name, value)
        return value if value is None or isinstance(value, str) else str(value)

    def render(self, value: Any) -> str:
        if isinstance(value, (list, tuple)):
            import shlex  # only programs and the wire give lists

            return shlex.join(str(item) for item in value)
        return super().render(value)


class Integer(Kind):
    """A whole number, not below ``minimum``."""

    word = "integer"

    def __init__(self, minimum: int | None = None) -> None:
        self.minimum = minimum

    def parse(self, text: str) -> Any:
        number = int(text)
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"{number} is less than {self.minimum}")
        return number

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, int):
            raise OptionError(f"{name!r} isn't an integer", name, value)
        if self.minimum is not None and value < self.minimum:
            raise OptionError(f"{name!r} must not be less than {self.minimum}", name, value)
        return int(value)


class ExitCodes(Kind):
    """Exit codes as ``78`` or ``77, 78`` in text; a sorted list of integers."""

    word = "list of exit codes"

    def parse(self, text: str) -> Any:
        try:
            codes = [int(word) for word in text.replace(",", " ").split()]
        except ValueError:
            codes = [-1]
        for code in codes:
            if not 0 <= code <= 255:
                raise ValueError(f"{text!r} is no list of exit codes, such as 77, 78 (each from 0 to 255)")
        return sorted(set(codes))

    def check(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            raise OptionError(f"{name!r} isn't a list of exit codes", name, value)
        if isinstance(value, (list, tuple, set, frozenset)):
            value = " ".join(str(code) for code in value)
        try:
            return self.parse("" if value is None else str(value))
        except ValueError:
            raise OptionError(f"{name!r} isn't a list of exit codes (each from 0 to 255)", name, value) from None

    def render(self, value: Any) -> str:
        return ", ".join(str(code) for code in value or ())


class Real(Kind):
    """A number, not below ``minimum`` and not above ``maximum``; never not-a-number."""

    word = "number"

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum, self.maximum = minimum, maximum

    def parse(self, text: str) -> Any:
        number = float(text)
        if number != number:  # not-a-number
            raise ValueError(f"could not convert string to float: {text!r}")
        complaint = self._bounds(number)
        if complaint:
            raise ValueError(f"{text.strip()} {complaint}")
        return number

    def check(self, name: str, value: Any) -> Any:
        try:
            number = float(value) if isinstance(value, (int, float)) else None
        except OverflowError:  # an integer of more than three hundred digits
            number = None
        if number is None or number != number:
            raise OptionError(f"{name!r} isn't a number", name, value)
        complaint = self._bounds(number)
        if complaint:
            raise OptionError(f"{name!r} {complaint}", name, value)
        return number

    def _bounds(self, number: float) -> str:
        if self.minimum is not None and number < self.minimum:
            return f"must not be less than {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"must not be more than {self.maximum:g}"
        return ""


class Boolean(Kind):
    """True or false; in text ``yes true on 1`` or ``no false off 0``.

    :param words: also accept those words, 0 and 1 from a client (for ``singleton``, which used to take
        anything).
    """

    word = "boolean"

    def __init__(self, *, words: bool = False) -> None:
        self.words = words

    def parse(self, text: str) -> Any:
        return to_bool(text)

    def check(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        if self.words:
            try:
                return to_bool(value)
            except ValueError:
                pass  # refused below, in the words of the wire
        raise OptionError(f"{name!r} isn't a valid boolean", name, value)


class Signal(Kind):
    """A signal: number or name in text, number from clients."""

    word = "signal"

    def parse(self, text: str) -> Any:
        number = to_signum(text)
        if not self._exists(number):
            raise ValueError(f"signal invalid: {text}")
        return number

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, int):
            raise OptionError(f"{name!r} isn't an integer", name, value)
        if not self._exists(value):
            raise OptionError(f"signal invalid: {value}", name, value)
        return int(value)

    def render(self, value: Any) -> str:
        return "" if value is None else str(int(value))

    @staticmethod
    def _exists(number: int) -> bool:
        # A worker whose stop signal the kernel refuses could not be stopped. 64 is the highest one of Linux.
        return 0 <= number <= 64


class Account(Kind):
    """A user or group, by name or number; looked up when a worker is started."""

    word = "name or number"

    def check(self, name: str, value: Any) -> Any:
        if isinstance(value, (int, str)):
            return value
        raise OptionError(f"{name!r} isn't an integer or string", name, value)


class Mask(Kind):
    """A file mode creation mask: octal text, or a number from programs. Empty text is "leave it alone"."""

    word = "octal mask"

    def parse(self, text: str) -> Any:
        return parse_umask(text)

    def check(self, name: str, value: Any) -> Any:
        try:
            return parse_umask(value)
        except (TypeError, ValueError) as error:
            raise OptionError(f"{name!r}: {error}", name, value) from error

    def render(self, value: Any) -> str:
        return "" if value is None else f"{value:03o}"


class Choice(Kind):
    """One of a few words, in any case."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.word = " | ".join(words)

    def parse(self, text: str) -> Any:
        folded = text.strip().lower()
        for word in self.words:
            if word.lower() == folded:
                return word
        raise ValueError(f"{text!r} is not one of {', '.join(self.words)}")

    def check(self, name: str, value: Any) -> Any:
        try:
            return self.parse(value)
        except (AttributeError, ValueError) as error:
            raise OptionError(f"{name!r} is not one of {', '.join(self.words)}", name, value) from error


class Address(Text):
    """An endpoint that can be turned off: ``none`` or nothing is None."""

    word = "endpoint | none"

    def parse(self, text: str) -> Any:
        return None if text.strip().lower() in ("", "none") else text

    def render(self, value: Any) -> str:
        return "none" if value is None else str(value)


class Size(Integer):
    """A number of bytes; in text also ``64K`` or ``1.5M``."""

    word = "size in bytes"

    def parse(self, text: str) -> Any:
        if text.strip().lstrip("+-").isdecimal():
            return super().parse(text)
        try:
            return super().parse(str(human2bytes(text.strip())))
        except OverflowError as error:  # a fraction of hundreds of digits
            raise ValueError(f"can't interpret {text!r}") from error


class ConsoleText(Kind):
    """Another kind whose value ``circusctl set`` sends as the text it is (spec library.md 8, streams)."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.word = inner.word

    def parse(self, text: str) -> Any:
        return self.inner.parse(text)

    def console(self, text: str) -> Any:
        return text

    def check(self, name: str, value: Any) -> Any:
        return value

    def render(self, value: Any) -> str:
        return self.inner.render(value)
