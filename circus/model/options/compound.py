"""Kinds of values that have parts: environments, hooks, streams, resource limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circus.base.convert import to_bool
from circus.base.environ import env_to_str, parse_env_str
from circus.exc import OptionError
from circus.model.hooktable import HOOKS
from circus.model.options.kinds import Kind

#: ``resource.RLIM_INFINITY``, spelt out so that the tables can be read where that module does not exist.
UNLIMITED = -1


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
            target, flag = value
            name = target if isinstance(target, str) else getattr(target, "__qualname__", str(target))
            return f"{name},{bool(flag)}"
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
        calls = (value or {}).items()
        return ",".join(f"{name}:{HookCall().render(call).partition(',')[0]}" for name, call in calls)


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

            warnings.warn(f"'refresh_time' is deprecated and not useful anymore for {name!r}")  # noqa: B028
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
        raise ValueError(f"{text!r} isn't a valid object")
    return found
