"""Small immutable records, declared like dataclasses and made without generating code.

``dataclasses`` costs about ten milliseconds to import and half a millisecond for every class it makes; the floors
that circusd loads before its first worker runs declare some forty records. :class:`Record` gives the same notation
(type checkers read it through :func:`typing.dataclass_transform`) for a few microseconds each. Instances are slower to
make than a dataclass's by about a microsecond. See the ADR on start-up cost.
"""

from __future__ import annotations

from typing import Any, dataclass_transform

__all__ = ["Record"]


class _RecordType(type):
    """Turns annotated names of a class body into slots, and their values into defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        inherited = next((base for base in bases if isinstance(base, _RecordType)), None)
        own = tuple(field for field in namespace.get("__annotations__", ()) if not field.startswith("_"))
        defaults = dict(getattr(inherited, "_defaults", {}))
        defaults.update({field: namespace.pop(field) for field in own if field in namespace})
        fields = getattr(inherited, "_fields", ()) + own
        namespace["__slots__"] = own
        namespace["_fields"] = namespace["__match_args__"] = fields
        namespace["_defaults"] = defaults
        return super().__new__(mcs, name, bases, namespace)


@dataclass_transform(frozen_default=True)
class Record(metaclass=_RecordType):
    """Base of immutable records: annotated names are fields, values in the class body are defaults.

    Records of the same class with equal fields are equal; they are hashable when their fields are.
    """

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self._fields
        put = object.__setattr__
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} values, {len(args)} were given")
        for field, value in zip(fields, args, strict=False):
            put(self, field, value)
        for field in fields[len(args):]:
            if field in kwargs:
                put(self, field, kwargs.pop(field))
            elif field in self._defaults:
                put(self, field, self._defaults[field])
            else:
                raise TypeError(f"{type(self).__name__} needs a value for {field!r}")
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(kwargs))!r}, or it was given twice")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__qualname__}({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()
