"""Variables in a configuration: what ``$(circus.env.X)`` means, and for whom an ``[env:…]`` section is.

Rules: spec config.md 7. Used by :mod:`circus.configload`; the final environment of a worker is the business
of :mod:`circus.base.environ`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from circus.base.expand import compile_template


class EnvScope:
    """Look-up of ``circus.env.X``: the exact name first, then without regard to case; inner layers before
    outer.

    :param values: the variables of this layer.
    :param outer: the layer around it.
    """

    __slots__ = ("_folded", "_outer", "_values")

    def __init__(self, values: Mapping[str, str], outer: EnvScope | None = None) -> None:
        self._values, self._outer = values, outer
        self._folded: dict[str, str] | None = None

    def __call__(self, name: str) -> str | None:
        """The value of ``env.X``; None for anything else, and for what is not set."""
        if name[:4].lower() != "env.":
            return None
        exact, folded = name[4:], name[4:].lower()
        for layer in self._layers():
            if exact in layer._values:
                return layer._values[exact]
        for layer in self._layers():
            if layer._folded is None:
                layer._folded = {key.lower(): value for key, value in layer._values.items()}
            if folded in layer._folded:
                return layer._folded[folded]
        return None

    def _layers(self) -> Iterator[EnvScope]:
        layer: EnvScope | None = self
        while layer is not None:
            yield layer
            layer = layer._outer


def expand(text: str, *scopes: EnvScope) -> str:
    """``text`` with ``$(circus.env.X)`` replaced; a name not known to the first scope is looked up in the
    next.
    """
    for scope in scopes:
        if "(" in text:
            text = compile_template(text).expand(scope)
    return text


class EnvPatterns:
    """The ``[env:…]`` sections: which of them are meant for a watcher."""

    def __init__(self) -> None:
        self._sections: list[dict[str, str]] = []
        self._plain: dict[str, list[int]] = {}  # most patterns are just names
        self._wild: list[tuple[int, Callable[[str], object]]] = []

    def add(self, patterns: str, items: dict[str, str]) -> None:
        """One more section, for names that match one of several patterns divided by commas (case counts)."""
        index = len(self._sections)
        self._sections.append(items)
        for pattern in {word.strip() for word in patterns.split(",")}:
            if any(sign in pattern for sign in "*?["):
                from fnmatch import translate  # only for wildcards
                from re import compile as compile_pattern

                self._wild.append((index, compile_pattern(translate(pattern)).match))
            else:
                self._plain.setdefault(pattern, []).append(index)

    def matching(self, name: str) -> list[dict[str, str]]:
        """The sections for a watcher, in the order added."""
        found = set(self._plain.get(name, ()))
        found.update(index for index, match in self._wild if match(name))
        return [self._sections[index] for index in sorted(found)]
