"""Small immutable records, declared like dataclasses and made without generating code.

``dataclasses`` costs about ten milliseconds to import and half a millisecond for every class it makes; the floors
that circusd loads before its first worker runs declare some forty records. :class:`Record` gives the same notation
(type checkers read it through :func:`typing.dataclass_transform`) for a few microseconds each, and instances are
tuples underneath, so that making one costs what a named tuple costs. See the ADR on start-up cost.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, dataclass_transform

__all__ = ["Record"]

try:  # the C accessor behind named tuples: as fast as a slot
    from _collections import _tuplegetter  # type: ignore[import-not-found]
except ImportError:

    def _tuplegetter(index: int, doc: str) -> Any:
        return property(itemgetter(index), doc=doc)


class _RecordType(type):
    """Turns the annotated names of a class body into fields, and their values into defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        inherited = next((base for base in bases if isinstance(base, _RecordType)), None)
        own = tuple(field for field in namespace.get("__annotations__", ()) if not field.startswith("_"))
        defaults = dict(getattr(inherited, "_defaults", {}))
        defaults.update({field: namespace.pop(field) for field in own if field in namespace})
        before: tuple[str, ...] = getattr(inherited, "_fields", ())
        for index, field in enumerate(own, len(before)):
            namespace[field] = _tuplegetter(index, field)
        namespace["__slots__"] = ()
        namespace["_fields"] = namespace["__match_args__"] = before + own
        namespace["_defaults"] = defaults
        namespace["_size"] = len(before + own)
        return super().__new__(mcs, name, bases, namespace)


@dataclass_transform(frozen_default=True)
class Record(tuple[Any, ...], metaclass=_RecordType):
    """Base of immutable records: annotated names are fields, values in the class body are defaults.

    Records of the same class with equal fields are equal; they are hashable when their fields are, and always true.
    """

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]
    _size: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == cls._size and not kwargs:
            return tuple.__new__(cls, args)
        if len(args) > cls._size:
            raise TypeError(f"{cls.__name__} takes {cls._size} values, {len(args)} were given")
        values = list(args)
        for field in cls._fields[len(args):]:
            if field in kwargs:
                values.append(kwargs.pop(field))
            elif field in cls._defaults:
                values.append(cls._defaults[field])
            else:
                raise TypeError(f"{cls.__name__} needs a value for {field!r}")
        if kwargs:
            raise TypeError(f"{cls.__name__} has no field {next(iter(kwargs))!r}, or it was given twice")
        return tuple.__new__(cls, values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        # False, not NotImplemented: a plain tuple would be asked next, and would find itself equal.
        return type(other) is type(self) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, *self))

    def __repr__(self) -> str:
        inside = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"{type(self).__qualname__}({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self)
