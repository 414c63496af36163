"""What a configuration file declares, as plain values: things to print, compare and point at.

The dict of ``get_config`` is what circusd and its parts exchange. This module adds what a dict cannot say: where in
which file a value stands (:class:`Located`), what is wrong with a file (:class:`Problem`), and a frozen view of one
section that tells its declared options from its free-form ones (:class:`WatcherSpec` and its sisters). Pure data; it
knows nothing of files being read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from circus.model.options import CIRCUS, PLUGIN, SOCKET, STREAM, WATCHER, OnChange, Option, Table

#: A file and a line in it, counted from 1; line 0 is the file as a whole.
Place = tuple[str, int]

SpecType = TypeVar("SpecType", bound="Spec")


class Located(dict[str, Any]):
    """A dict that knows where it was written. Equal to any dict with the same items: places do not count.

    :ivar place: file and line of the section's header, or None for what no file says.
    :ivar places: file and line of each option the file gives, under the name used there (``rlimit_core``).
    """

    __slots__ = ("place", "places")

    def __init__(
        self, items: Mapping[str, Any] | None = None, place: Place | None = None, places: Mapping[str, Place] | None = None
    ) -> None:
        super().__init__(items or {})
        self.place = place
        self.places: dict[str, Place] = dict(places or {})

    def copy(self) -> Located:
        """A shallow copy that knows its places, too."""
        return Located(self, self.place, self.places)

    def where(self, option: str = "") -> Place | None:
        """The place of an option, else that of the section."""
        return self.places.get(option, self.place)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return Located, (dict(self), self.place, self.places)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """One thing wrong in a configuration file.

    :param severity: ``error``: the file cannot be used as it is; ``warning``: it can, but not as its author thinks.
    :param file: the file; empty when the problem is in none.
    :param line: its line, from 1; 0 when it is about the file as a whole.
    :param section: header of the section, without brackets; empty when outside.
    :param option: the option, as written; empty when it is about the section.
    :param text: what is wrong. For errors known to Circus 0.19, in its words.
    :param hint: what to do about it; may be empty.
    :param code: a short word for programs, such as ``duplicate-option``.
    """

    severity: str
    file: str
    line: int
    section: str
    option: str
    text: str
    hint: str = ""
    code: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    @property
    def location(self) -> str:
        """``circus.ini:12 [watcher:web] cmd``, as much of it as is known."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(part for part in (where, f"[{self.section}]" if self.section else "", self.option) if part)

    def __str__(self) -> str:
        words = [f"{self.location}: " if self.location else "", self.text, f" ({self.hint})" if self.hint else ""]
        return "".join(words)


@dataclass(frozen=True, slots=True)
class Change:
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

    __hash__ = None  # type: ignore[assignment]
