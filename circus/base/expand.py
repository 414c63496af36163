"""Variables in text: ``$(circus.wid)`` and ``((circus.env.HOME))`` (spec config.md 7.2).

``config`` expands options once; each spawn expands ``cmd`` and ``args`` anew, which is why a text is taken
apart once, as a :class:`Template`, and put together with a look-up per variable. An unknown variable stays as
it was written. Which variables exist is the business of the callers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

_NAME = r"([\w.\-]+)"
_MISSING = object()


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    # The first question answers nearly always, and costs a tenth of the second.
    return type(value) is dict or isinstance(value, Mapping)


class Variables:
    """Look-up of names in a table whose tables are one level deep: ``wid``, ``env.HOME``.

    The exact spelling wins; a name not found so is searched without regard to case, where the last of several
    wins.

    :param options: values by name; the values of a mapping are named ``key.subkey``, the mapping itself has
        no value.
    """

    __slots__ = ("_folded", "_options")

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options
        self._folded: dict[str, object] | None = None

    def __call__(self, name: str) -> str | None:
        """The text of a variable, or None when there is none of that name."""
        value = self._options.get(name, _MISSING)
        if value is not _MISSING and not _is_table(value):
            return str(value)
        dot = name.find(".")
        while dot > 0:
            table = self._options.get(name[:dot])
            if _is_table(table) and name[dot + 1 :] in table:
                return str(table[name[dot + 1 :]])
            dot = name.find(".", dot + 1)
        value = self._without_case().get(name.lower(), _MISSING)
        return None if value is _MISSING else str(value)

    def _without_case(self) -> dict[str, object]:
        if self._folded is None:
            folded: dict[str, object] = {}
            for name, value in self._options.items():
                if _is_table(value):
                    folded.update((f"{name}.{inner}".lower(), each) for inner, each in value.items())
                else:
                    folded[name.lower()] = value
            self._folded = folded
        return self._folded


class Template:
    """A text taken apart at its variables.

    :param text: the text.
    :param prefix: first part of every variable's name; None or empty for names without one, ``$(name)``.
    :param braces: also understand ``${socket:web}`` and ``${circus.sockets.web}``, which older files use for
        the variable ``sockets.web``.
    """

    __slots__ = ("_head", "_slots", "constant", "text")

    def __init__(self, text: str, *, prefix: str | None = "circus", braces: bool = False) -> None:
        self.text = text
        slots: list[tuple[str, str, str]] = []  # name, as written, literal text behind it
        first = end = -1
        name = written = ""
        for match in _grammar(prefix, braces).finditer(text):
            if first < 0:
                first = match.start()
            else:
                slots.append((name, written, text[end : match.start()]))
            group = match.lastindex or 1
            name = match[group] if group < 3 else "sockets." + match[group]
            written, end = match[0], match.end()
        #: True when the text has no variable: expanding it gives it back.
        self.constant = first < 0
        if not self.constant:
            slots.append((name, written, text[end:]))
        self._head = text if self.constant else text[:first]
        self._slots = tuple(slots)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, without the prefix, in order."""
        return tuple(name for name, _, _ in self._slots)

    def expand(self, lookup: Callable[[str], str | None]) -> str:
        """The text with each variable replaced by what ``lookup`` says; by itself when that is None.

        :param lookup: gets the name without the prefix, such as ``env.HOME``; called once per occurrence.
        """
        if self.constant:
            return self.text
        parts = [self._head]
        for name, written, literal in self._slots:
            value = lookup(name)
            parts.append(written if value is None else value)
            parts.append(literal)
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


@functools.lru_cache(maxsize=1024)
def compile_template(text: str, prefix: str | None = "circus", braces: bool = False) -> Template:
    """The :class:`Template` of a text; the same text again costs nothing."""
    return Template(text, prefix=prefix, braces=braces)


def replace_gnu_args(data: str, prefix: str | None = "circus", **options: object) -> str:
    """``data`` with ``$(circus.name)`` and ``((circus.name))`` replaced from ``options``, in a single pass.

    :param prefix: first part of the names, any case; None for names without one.
    :param options: values by name; those of a dict are named ``key.subkey``; None is written ``None``.
    :raises TypeError: when ``data`` is not text.
    """
    if not isinstance(data, str):
        raise TypeError(f"expected text to expand, not {type(data).__name__}")
    return compile_template(data, prefix).expand(Variables(options))


@functools.lru_cache(maxsize=32)
def _grammar(prefix: str | None, braces: bool) -> re.Pattern[str]:
    head = re.escape(prefix) + r"\." if prefix else ""
    forms = [rf"\$\({head}{_NAME}\)", rf"\(\({head}{_NAME}\)\)"]
    if braces:
        forms.append(rf"\$\{{(?:socket:|circus\.sockets\.){_NAME}\}}")
    return re.compile("|".join(forms), re.IGNORECASE)
