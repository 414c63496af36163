"""Forms of dates as moment.js writes them (``YYYY-MM-DD HH:mm``) in the letters of strftime."""

from __future__ import annotations

import re

_TOKENS = {
    "YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "DDDD": "%j", "DD": "%d", "dddd": "%A",
    "ddd": "%a", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "A": "%p", "a": "%p", "ZZ": "%z", "Z": "%z",
    "X": "%s", "M": "%m", "D": "%d", "H": "%H", "h": "%I", "m": "%M", "s": "%S",
}
_PATTERN = re.compile(
    r"\[([^\]]*)\]|(YYYY|YY|M{1,4}|D{1,4}|d{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|S+|ZZ?|[AaXx]|.)", re.DOTALL
)


def strftime_of(form: str) -> tuple[str, list[str]]:
    """The same for strftime, and what of it there is not."""
    parts: list[str] = []
    unknown: list[str] = []
    for match in _PATTERN.finditer(form):
        token = match[2]
        if token is None:
            parts.append(match[1].replace("%", "%%"))
        elif token in _TOKENS:
            parts.append(_TOKENS[token])
        elif token == "T" or (len(token) == 1 and not (token.isalpha() and token.isascii())):
            parts.append(token.replace("%", "%%"))
        else:
            unknown.append(token)
            if token[0] == "S" and parts and parts[-1] in ".,":
                parts.pop()  # it divided the fraction from the seconds
    return "".join(parts), unknown
