"""What circusctl prints: text with or without colours, JSON, errors.

Called with replies and errors; it knows their shape and no command by name. Colours appear only on a
terminal, and never when ``NO_COLOR`` is set.
"""

from __future__ import annotations

import os

from circus.exc import CallError, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

TIMEOUT_MSG = """
A time out usually happens in one of those cases:

#1 The Circus daemon could not be reached.
#2 The Circus daemon took too long to perform the operation

For #1, make sure you are hitting the right place
by checking your --endpoint option.

For #2, if you are not expecting a result to
come back, increase your timeout option value
(particularly with waiting switches)
"""

_RESET = "\x1b[0m"
_COLOURS = {"active": "\x1b[32m", "starting": "\x1b[33m", "stopping": "\x1b[33m", "stopped": "\x1b[31m"}
_JSON_COLOURS = {"key": "\x1b[34m", "string": "\x1b[32m", "number": "\x1b[36m", "word": "\x1b[35m"}


def wants_colour(stream: TextIO) -> bool:
    """May escape sequences go to this stream?"""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no stream, or a closed one
        return False


def paint_states(text: str, reply: Any) -> str:
    """Colour the watcher states in the text of a reply that tells states; other text comes back as it is.

    :param text: ``name: state`` lines, or a single state.
    :param reply: the reply the text was made from; its shape decides.
    """
    if not isinstance(reply, dict) or not ("statuses" in reply or reply.get("status") in _COLOURS):
        return text
    return "\n".join(map(_paint_line, text.split("\n")))


def _paint_line(line: str) -> str:
    name, separator, state = line.rpartition(": ")
    if state not in _COLOURS:
        return line
    return f"{name}{separator}{_COLOURS[state]}{state}{_RESET}"


def paint_story(text: str) -> str:
    """Colour the answer to ``why``: what failed, what waits, what is fine; what workers wrote steps back."""
    import re

    failed = r"killed by SIG\w+|killed by signal \d+|exited with [1-9]\d*|failed|gave up|refused"
    waiting = r"next try[^:,;\n]*|starting|stopping"
    token = re.compile(rf"\b(?:(?P<stopped>stopped|{failed})|(?P<starting>{waiting})|(?P<active>active|running))\b")

    def paint(line: str) -> str:
        if line.lstrip().startswith("| "):
            return f"\x1b[2m{line}{_RESET}"
        if line[:1].isupper() and " is " not in line:  # the head of a section
            return f"\x1b[1m{line}{_RESET}"
        return token.sub(lambda found: f"{_COLOURS[found.lastgroup or '']}{found[0]}{_RESET}", line)

    return "\n".join(map(paint, text.split("\n")))


def prettify(obj: Any, prettify: bool = True, colour: bool = False) -> str:
    """A reply as JSON text.

    :param prettify: indented, with sorted keys; else on one line.
    :param colour: with escape sequences.
    """
    import json

    if not prettify:
        return json.dumps(obj)
    text = json.dumps(obj, indent=2, sort_keys=True)
    return _paint_json(text) if colour else text


def _paint_json(text: str) -> str:
    import re

    token = re.compile(
        r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)'
        r"|(?P<word>true|false|null|NaN|-?Infinity)"
    )
    return token.sub(lambda found: f"{_JSON_COLOURS[found.lastgroup or 'word']}{found[0]}{_RESET}", text)


def with_cause(text: str, reply: Any) -> str:
    """The text of an error reply, with what the daemon says lies behind it."""
    cause = reply.get("cause") if isinstance(reply, dict) else None
    return f"{text} ({cause})" if cause else text


def describe_failure(error: CallError) -> str:
    """What to print when a call got no reply, ending with a newline.

    "Nothing there", "not allowed" and "not what it should be" each get a line of their own and a remedy. That
    the daemon is there but did not answer in time is told by the contractual text.
    """
    text = str(error)
    if not isinstance(error, TransportError):
        return text + TIMEOUT_MSG if text == "Timed out." else f"error: {text}\n"
    remedy = _remedy(error.__cause__)
    return f"error: {text}\n{remedy}" if remedy else f"error: {text}\n"


def _remedy(cause: BaseException | None) -> str:
    if isinstance(cause, PermissionError):
        return "Its socket belongs to another user: see endpoint_owner in circusd's configuration.\n"
    if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
        return "Is circusd running? Start it, or name its endpoint with --endpoint or CIRCUSCTL_ENDPOINT.\n"
    return ""
