"""What a configuration declares, as frozen values to print and compare.

The dict of ``get_config`` is what circusd and its parts exchange. A spec is a view of one section's dict that
tells declared options from free-form ones, knows the defaults, says what changed and what that asks for. Pure
data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from circus.base.record import Record
from circus.model.options import CIRCUS, PLUGIN, SOCKET, STREAM, WATCHER, OnChange, Option, Table
from circus.model.origin import Place

SpecType = TypeVar("SpecType", bound="Spec")


class Change(Record):
    """One option that differs between two specs of the same thing; None stands for "not given"."""

    option: str
    old: Any
    new: Any
    on_change: OnChange


class Spec:
    """A frozen view of one section's dict.

    :param config: the dict, as in ``get_config``; it is copied.
    """

    #: The table its options are declared in.
    table: ClassVar[Table]
    name: str
    options: Mapping[str, Any]
    extra: Mapping[str, Any]
    place: Place | None
    __slots__ = ("extra", "name", "options", "place")

    def __init__(self, config: Mapping[str, Any]) -> None:
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in config.items():
            if name != "__name__":  # an artefact of the file format, not an option
                (extra if self.table.find(name) is None else known)[name] = value
        fill = object.__setattr__
        fill(self, "name", str(config.get("name", "")))
        fill(self, "options", MappingProxyType(known))
        fill(self, "extra", MappingProxyType(extra))
        fill(self, "place", getattr(config, "place", None))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.options == other.options and self.extra == other.extra

    __hash__ = None  # type: ignore[assignment]  # its values are dicts and lists

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def get(self, name: str) -> Any:
        """The value of an option: as given, else the default of its table, else None."""
        if name in self.options:
            return self.options[name]
        if name in self.extra:
            return self.extra[name]
        option = self.table.find(name)
        return None if option is None else option.default

    def changes(self: SpecType, new: SpecType) -> Iterator[Change]:
        """The options whose values differ in ``new``, sorted by name; those added or removed as well."""
        mine, theirs = {**self.options, **self.extra}, {**new.options, **new.extra}
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in mine or name not in theirs or mine[name] != theirs[name]:
                option = self.table.find(name)
                yield Change(name, mine.get(name), theirs.get(name), _effect(option))

    def render(self) -> str:
        """The options as text, one ``name = value`` per line, sorted; only what differs from the defaults."""
        lines = []
        for name, value in sorted({**self.options, **self.extra}.items()):
            option = self.table.find(name)
            if option is None or option.is_family or value != option.default:
                text = value if isinstance(value, str) or option is None else option.kind.render(value)
                lines.append(f"{name} = {text}")
        return "\n".join(lines)


def _effect(option: Option | None) -> OnChange:
    # Free-form options are read by plugins when they get round to it.
    return OnChange.NOTHING if option is None else option.on_change


class WatcherSpec(Spec):
    """A ``[watcher:NAME]`` section."""

    table = WATCHER
    __slots__ = ()


class SocketSpec(Spec):
    """A ``[socket:NAME]`` section."""

    table = SOCKET
    __slots__ = ()


class PluginSpec(Spec):
    """A ``[plugin:NAME]`` section; what is not its own is in ``extra``."""

    table = PLUGIN
    __slots__ = ()


class StreamSpec(Spec):
    """The ``stdout_stream.*`` or ``stderr_stream.*`` options of a watcher."""

    table = STREAM
    __slots__ = ()


class ArbiterSpec(Spec):
    """The ``[circus]`` section and the specs of everything else in the configuration."""

    table = CIRCUS
    __slots__ = ("plugins", "sockets", "watchers")

    def __init__(self, config: Mapping[str, Any]) -> None:
        parts = ("watchers", "plugins", "sockets")
        super().__init__({name: value for name, value in config.items() if name not in parts})
        fill = object.__setattr__
        fill(self, "watchers", tuple(WatcherSpec(each) for each in config.get("watchers", ())))
        fill(self, "plugins", tuple(PluginSpec(each) for each in config.get("plugins", ())))
        fill(self, "sockets", tuple(SocketSpec(each) for each in config.get("sockets", ())))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArbiterSpec):
            return NotImplemented
        return super().__eq__(other) and all(
            getattr(self, part) == getattr(other, part) for part in ("watchers", "plugins", "sockets")
        )

    __hash__ = None
