"""Filter expressions: which rows are of interest. ``cpu>50 and restarts>0``, ``name~web state=stopped``.

Terms are ``COLUMN OPERATOR VALUE`` with ``= != < <= > >= ~ !~`` (``~`` is a regular expression somewhere in the text,
without regard to case), or a bare word, which is looked for in name, command and pid. Terms side by side must all
hold; ``and``, ``or``, ``not`` and parentheses work as usual. Sizes may end in K, M, G, T; spans of time in s, m, h,
d. The grammar knows the columns (:mod:`circus.model.dashboard.columns`) and no row.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from circus.exc import ArgumentError
from circus.model.dashboard.columns import COLUMNS, Column, cell_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])
    |(?P<term>(?P<key>[A-Za-z_%][\w.%]*)\s*(?P<op>!=|<=|>=|!~|==|=|<|>|~)\s*(?P<value>"[^"]*"|'[^']*'|[^\s()]+))
    |(?P<word>"[^"]*"|'[^']*'|[^\s()]+))""",
    re.VERBOSE,
)
_SIZES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: Other names people write.
_ALIASES = {
    "status": "state", "mem%": "mem", "cpu%": "cpu", "memory": "rss", "command": "cmd", "restart": "restarts",
    "uptime": "age", "watcher": "name", "thr": "threads", "fd": "fds", "processes": "procs", "children": "kids",
}  # fmt: skip


class FilterError(ArgumentError):
    """The expression makes no sense.

    :param text: what is wrong, for people.
    :param at: where, counted from the begin of the expression.
    """

    def __init__(self, text: str, at: int) -> None:
        super().__init__(text)
        self.at = at


class Filter:
    """A parsed expression.

    :param text: as it was written.
    :param predicate: whether the values of a row fulfil it.
    """

    def __init__(self, text: str, predicate: Predicate) -> None:
        self.text = text
        self.matches = predicate


def parse_filter(text: str) -> Filter | None:
    """The filter an expression means; None for an empty one.

    :raises FilterError: it cannot be read.
    """
    tokens = _tokens(text)
    if not tokens:
        return None
    parser = _Parser(tokens, len(text))
    return Filter(text.strip(), parser.parse())


def _tokens(text: str) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        assert match is not None, "anything is at least a word"
        found.append(match)
        at = match.end()
    return found


class _Parser:
    """Recursive descent: or, and (or side by side), not, atoms."""

    def __init__(self, tokens: list[re.Match[str]], end: int) -> None:
        self._tokens, self._at, self._end = tokens, 0, end

    def parse(self) -> Predicate:
        found = self._or()
        if self._at < len(self._tokens):
            raise FilterError("a ) without its (", self._tokens[self._at].start("paren"))
        return found

    def _word(self) -> str:
        """The token ahead if it is a keyword or parenthesis, lower-case; empty for others and the end."""
        if self._at >= len(self._tokens):
            return ""
        token = self._tokens[self._at]
        return token["paren"] or (token["word"].lower() if token["word"] else "")

    def _or(self) -> Predicate:
        parts = [self._and()]
        while self._word() == "or":
            self._at += 1
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda values: any(part(values) for part in parts)

    def _and(self) -> Predicate:
        parts = [self._not()]
        while self._at < len(self._tokens) and self._word() not in ("or", ")"):
            if self._word() == "and":
                self._at += 1
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda values: all(part(values) for part in parts)

    def _not(self) -> Predicate:
        if self._word() == "not":
            self._at += 1
            part = self._not()
            return lambda values: not part(values)
        return self._atom()

    def _atom(self) -> Predicate:
        if self._at >= len(self._tokens):
            raise FilterError("something is missing at the end", self._end)
        token = self._tokens[self._at]
        word = self._word()
        if word in ("and", "or", ")"):
            at = token.start("word" if token["word"] else "paren")
            raise FilterError(f"something is missing before {word!r}", at)
        self._at += 1
        if word == "(":
            inner = self._or()
            if self._word() != ")":
                raise FilterError("a ( without its )", token.start("paren"))
            self._at += 1
            return inner
        return _word_term(token["word"]) if token["word"] else _column_term(token)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else text


def _word_term(word: str) -> Predicate:
    wanted = _unquoted(word).lower()
    return lambda values: any(wanted in str(values.get(key) or "").lower() for key in ("name", "cmd", "pid"))


def _column_term(token: re.Match[str]) -> Predicate:
    key = token["key"].lower()
    key = _ALIASES.get(key, key)
    column = COLUMNS.get(key)
    if column is None or column.measure:
        near = get_close_matches(key, [each.key for each in COLUMNS.values() if not each.measure], 1)
        raise FilterError(f"no column {token['key']!r}{f'; {near[0]}?' if near else ''}", token.start("key"))
    operator, value = token["op"].replace("==", "="), _unquoted(token["value"])
    if operator in ("~", "!~"):
        return _pattern_term(column, value, operator == "~", token)
    if column.is_text:
        return _text_term(column, operator, value.lower())
    return _number_term(column, operator, value, token)


def _pattern_term(column: Column, pattern: str, wanted: bool, token: re.Match[str]) -> Predicate:
    try:
        search = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise FilterError(f"{pattern!r} is no regular expression: {error}", token.start("value")) from error
    return lambda values: (search(cell_text(values, column)) is not None) is wanted


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _text_term(column: Column, operator: str, wanted: str) -> Predicate:
    compare = _COMPARE[operator]
    return lambda values: compare(str(values.get(column.key) or "").lower(), wanted)


def _number_term(column: Column, operator: str, text: str, token: re.Match[str]) -> Predicate:
    compare = _COMPARE[operator]
    wanted = _number(text, column.unit)
    if wanted is None:
        if operator not in ("=", "!="):
            raise FilterError(f"{text!r} is no number{_hint(column.unit)}", token.start("value"))
        return lambda values: compare(cell_text(values, column).lower(), text.lower())
    limit = wanted

    def holds(values: Mapping[str, Any]) -> bool:
        value = values.get(column.key)
        return isinstance(value, int | float) and compare(value, limit)

    return holds


def _hint(unit: str) -> str:
    return {"size": " (such as 100M)", "time": " (such as 90s or 2h)"}.get(unit, "")


def _number(text: str, unit: str) -> float | None:
    scales = {"size": _SIZES, "time": _TIMES}.get(unit, {})
    text = text.lower().rstrip("%")
    scale = scales.get(text[-1:], None)
    if scale is None:
        scale = 1
    else:
        text = text[:-1]
    try:
        return float(text) * scale
    except ValueError:
        return None
