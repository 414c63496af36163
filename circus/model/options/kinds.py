"""What sorts of values options have: read from text, checked when they come as JSON, written back as text.

A kind knows nothing of the option it serves but the name it is told; the tables in
:mod:`circus.model.options.tables` put the two together. The error texts are contractual: those of ``parse``
are what a configuration file is refused with (spec config.md 2 and 5), those of ``check`` what a client is
answered (spec wire.md 5.3 and 5.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from circus.base.convert import human2bytes, parse_umask, to_bool, to_signum
from circus.base.environ import env_to_str, parse_env_str
from circus.exc import OptionError
from circus.model.hooktable import HOOKS

#: ``resource.RLIM_INFINITY``, spelt out so that the tables can be read where that module does not exist.
UNLIMITED = -1


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


class Real(Kind):
    """A number, not below ``minimum`` and not above ``maximum``; never not-a-number."""

    word = "number"

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum, self.maximum = minimum, maximum

    def parse(self, text: str) -> Any:
        number = float(text)
        if math.isnan(number):
            raise ValueError(f"could not convert string to float: {text!r}")
        complaint = self._bounds(number)
        if complaint:
            raise ValueError(f"{text.strip()} {complaint}")
        return number

    def check(self, name: str, value: Any) -> Any:
        try:
            number = float(value) if isinstance(value, (int, float)) else math.nan
        except OverflowError:  # an integer of more than three hundred digits
            number = math.nan
        if math.isnan(number):
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


class Environment(Kind):
    """Variables: an object of strings from clients, ``A=1,B=2`` or a JSON object in text."""

    word = "variables"

    def parse(self, text: str) -> Any:
        return _json_object(text) if text.lstrip().startswith("{") else parse_env_str(text)

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise OptionError(f"{name!r} isn't a valid object", name, value)
        for key, item in value.items():
            if not isinstance(item, str):
                raise OptionError(f"{key!r} isn't a string", name, value)
        return dict(value)

    def render(self, value: Any) -> str:
        return env_to_str(value)


class HookCall(Kind):
    """One hook: ``callable[, flag]``, where the flag says that its failures are ignored."""

    word = "callable[, flag]"

    def parse(self, text: str) -> Any:
        target, comma, flag = text.partition(",")
        return [target.strip(), to_bool(flag.strip()) if comma else False]

    def console(self, text: str) -> Any:
        return text

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            raise OptionError(f"{name!r} isn't a string", name, value)
        try:
            self.parse(value)
        except ValueError as error:
            raise OptionError(f"{name!r}: {error}", name, value) from error
        return value

    def render(self, value: Any) -> str:
        if isinstance(value, (list, tuple)):
            target = value[0] if isinstance(value[0], str) else getattr(value[0], "__qualname__", str(value[0]))
            return f"{target},{bool(value[1])}"
        return super().render(value)


class HookCalls(Kind):
    """All hooks at once: ``name:callable,name:callable`` in text, an object from clients."""

    word = "hooks"

    def parse(self, text: str) -> Any:
        found = {}
        for item in filter(None, text.split(",")):
            name, colon, target = item.partition(":")
            if not colon or ":" in target:
                raise ValueError(f"{item!r} isn't of the form hook:callable")
            if name not in HOOKS:
                raise ValueError(f"Unknown hook {name!r}")
            found[name] = target
        return found

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise OptionError(f"{value!r} isn't a valid hook dict", name, value)
        for hook, target in value.items():
            if hook not in HOOKS:
                raise OptionError(f"Unknown hook {value!r}", name, value)
            HookCall().check(f"hooks.{hook}", target)
        return dict(value)

    def render(self, value: Any) -> str:
        return ",".join(f"{name}:{HookCall().render(call).partition(',')[0]}" for name, call in (value or {}).items())


class StreamOptions(Kind):
    """A whole stream: an object with ``class`` and the options of that class."""

    word = "object"

    def parse(self, text: str) -> Any:
        if not text.lstrip().startswith("{"):
            raise ValueError(f"{text!r} isn't a stream; set its keys one by one, such as stdout_stream.class")
        return _json_object(text)

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise OptionError(f"{name!r} isn't a valid object", name, value)
        if "class" not in value:
            raise OptionError(f"{name!r} must have a 'class' key", name, value)
        if "refresh_time" in value:
            import warnings  # kept where it is used; this very call is contractual (spec library.md 8)

            warnings.warn(f"'refresh_time' is deprecated and not useful anymore for {name!r}")
        return dict(value)

    def render(self, value: Any) -> str:
        if not value:
            return "{}"
        import json  # only programs ask

        return json.dumps({key: value[key] for key in sorted(value)}, default=str)


class ResourceLimit(Kind):
    """A limit of ``rlimit_NAME``: a number, ``soft:hard``, or nothing for infinity."""

    word = "limit"

    def parse(self, text: str) -> Any:
        soft, colon, hard = text.partition(":")
        return _pair(_limit(soft), _limit(hard)) if colon else _limit(text)

    def console(self, text: str) -> Any:
        limit = self.parse(text)
        return None if limit == UNLIMITED else list(limit) if isinstance(limit, tuple) else limit

    def check(self, name: str, value: Any) -> Any:
        if not limit_exists(name.partition("_")[2]):
            raise OptionError(f"{name!r} isn't a valid rlimit setting", name, value)
        try:
            if value is None or (isinstance(value, str) and (not value or ":" in value)):
                return self.parse(value or "")
            if isinstance(value, (list, tuple)) and len(value) == 2:
                return _pair(*(UNLIMITED if item is None else _bounded(item) for item in value))
            return _bounded(value)
        except (TypeError, ValueError) as error:
            raise OptionError(f"{value!r} rlimit value isn't a valid int", name, value) from error

    def render(self, value: Any) -> str:
        if isinstance(value, (tuple, list)):
            return ":".join(self.render(item) for item in value)
        return "" if value is None or value == UNLIMITED else str(value)


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


def limit_exists(name: str) -> bool:
    """Whether this system has a resource limit of that name, in any case and without ``RLIMIT_``."""
    try:
        import resource  # not on Windows, where the tables are only read
    except ImportError:
        return False
    return bool(name) and hasattr(resource, "RLIMIT_" + name.upper())


def _limit(text: str) -> int:
    """A limit in text; nothing is infinity."""
    return _bounded(int(text)) if text.strip() else UNLIMITED


def _pair(soft: int, hard: int) -> tuple[int, int]:
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        raise ValueError(f"the soft limit of {soft}:{hard} is above the hard one")
    return soft, hard


def _bounded(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    if not UNLIMITED <= value < 1 << 63:
        raise ValueError(f"{value} is not a resource limit")
    return int(value)


def _json_object(text: str) -> dict[str, Any]:
    import json  # only for values typed on a command line

    try:
        found = json.loads(text)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{text!r} isn't a valid object")  # noqa: TRY004 - it is the text that is wrong
    return found
