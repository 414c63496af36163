"""The language of the control endpoint: requests, replies, error codes, and their JSON (spec wire.md 1 to 3).

The controller decodes what it receives and encodes what it answers here; commands build replies with
:func:`ok` and :func:`error`. This module knows neither sockets nor commands: whatever bytes come in,
:func:`decode` gives a :class:`Request` or raises :class:`RequestError`, and whatever reply a command made,
:func:`encode` gives bytes. Nothing else ever leaves either of them.

``json`` is imported with the first message: the first workers are started before, and ``circusctl`` does
without.
"""

from __future__ import annotations

import time

from circus.exc import CircusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    #: What a reply is addressed with: the identity of a DEALER; identity and empty delimiter of a REQ.
    Route = bytes | tuple[bytes, ...]

# -- error codes --------------------------------------------------------------------------------------

NOT_SPECIFIED = 0
INVALID_JSON = 1
UNKNOWN_COMMAND = 2
MESSAGE_ERROR = 3
OS_ERROR = 4
COMMAND_ERROR = 5
BAD_MSG_DATA_ERROR = 6

#: Every error code with its name and what it tells a client.
ERROR_CODES: dict[int, tuple[str, str]] = {
    NOT_SPECIFIED: ("NOT_SPECIFIED", "no code was given"),
    INVALID_JSON: ("INVALID_JSON", "the message is empty, is not JSON, or is not an object"),
    UNKNOWN_COMMAND: ("UNKNOWN_COMMAND", "no command has that name"),
    MESSAGE_ERROR: ("MESSAGE_ERROR", "a property is missing or invalid, or names something unknown"),
    OS_ERROR: ("OS_ERROR", "the operating system refused something"),
    COMMAND_ERROR: ("COMMAND_ERROR", "the command failed, or is excluded by what the daemon is doing"),
    BAD_MSG_DATA_ERROR: ("BAD_MSG_DATA_ERROR", "an operation that was waited for failed"),
}

_QUOTE_LIMIT = 1000  # characters of a client's own words that are repeated to it
CALLER_LIMIT = 200  # characters of what a client says of itself


class RequestError(CircusError):
    """A message that cannot be taken as a request.

    :param errno: one of the codes above.
    :param reason: the sentence for the client.
    :param id: what the reply has to carry as ``id``, as far as it could be read.
    :param cast: whether the client asked for no reply at all.
    """

    def __init__(self, errno: int, reason: str, id: object = None, *, cast: bool = False) -> None:
        super().__init__(reason)
        self.errno, self.reason, self.id, self.cast = errno, reason, id, cast


class Properties(dict):  # type: ignore[type-arg]  # a subscript here would cost a call at import
    """The properties of a request whose sender said who it is.

    :param caller: what it says of itself: printable, at most 200 characters; nobody has verified it.
    """

    __slots__ = ("caller",)

    def __init__(self, properties: Mapping[str, Any], caller: str) -> None:
        super().__init__(properties)
        self.caller = caller


class Request:
    """One request as it was sent; ``command`` keeps its case because error texts repeat it."""

    __slots__ = ("cast", "command", "id", "properties", "raw")

    def __init__(self, id: Any, command: str, properties: dict[str, Any], cast: bool, raw: bytes) -> None:
        self.id, self.command, self.properties, self.cast, self.raw = id, command, properties, cast, raw

    @property
    def waiting(self) -> bool:
        """Whether the client wants the outcome of the operation instead of its acceptance."""
        return bool(self.properties.get("waiting"))

    def __repr__(self) -> str:
        return f"Request({quote(self.raw)})"


# -- frames -------------------------------------------------------------------------------------------


def split_frames(frames: Sequence[bytes]) -> tuple[Route, bytes] | None:
    """``(route, payload)`` of what a ROUTER socket received; None for a shape no client of ours sends.

    ``[identity, payload]`` comes from a DEALER, ``[identity, b"", payload]`` from a REQ socket, which drops
    every reply that does not carry the delimiter as well.
    """
    if len(frames) == 2:
        return frames[0], frames[1]
    if len(frames) == 3 and not frames[1]:
        return (frames[0], b""), frames[2]
    return None


# -- requests -----------------------------------------------------------------------------------------


def decode(payload: bytes | str) -> Request:
    """The request in ``payload``, UTF-8 JSON that may be surrounded by white space.

    :raises RequestError: for everything that is not a request: nothing at all, no JSON, no object, no
        command name, ``properties`` that are not an object (null counts as ``{}``).
    """
    raw = payload if type(payload) is bytes else _as_bytes(payload)
    body = raw.strip()
    if not body:
        raise RequestError(INVALID_JSON, "error: empty command")
    scan = _scan or _make_scan()
    try:
        text = body.decode()
        message, end = scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        raise RequestError(INVALID_JSON, "json invalid") from None
    if end != len(text) or type(message) is not dict:
        raise RequestError(INVALID_JSON, "json invalid")
    get = message.get
    mid, command, properties = get("id"), get("command"), get("properties")
    is_cast = get("msg_type") == "cast"
    if type(command) is not str:
        raise RequestError(UNKNOWN_COMMAND, f"unknown command: {quote(command)}", mid, cast=is_cast)
    if properties is None:
        properties = {}
    elif type(properties) is not dict:
        raise RequestError(MESSAGE_ERROR, "'properties' isn't a valid object", mid, cast=is_cast)
    caller = get("caller")
    if caller is not None:
        caller = clean_caller(caller)
        if caller:
            properties = Properties(properties, caller)
    return Request(mid, command, properties, is_cast, raw)


def clean_caller(caller: object) -> str:
    """What a client says of itself, fit for a log line: printable and short. Empty when it is no text."""
    if not isinstance(caller, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in caller[:CALLER_LIMIT]).strip()


def _as_bytes(payload: bytes | str) -> bytes:
    return payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else bytes(payload)


def quote(value: object) -> str:
    """``repr`` of what a client sent, bounded in length, for an error text or a log line."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep, or an integer with too many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _QUOTE_LIMIT else text[:_QUOTE_LIMIT] + "..."


_scan: Callable[[str, int], tuple[Any, int]] | None = None


def _make_scan() -> Callable[[str, int], tuple[Any, int]]:
    """The scanner behind ``JSONDecoder.decode``, without its two searches for white space."""
    global _scan
    import json  # kept off the start path

    def refuse_constant(word: str) -> None:
        # NaN and Infinity are not JSON; as a delay or a timeout they would do harm far away from here.
        raise ValueError(f"{word} is not JSON")

    decoder: Any = json.JSONDecoder(parse_constant=refuse_constant)
    scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once
    _scan = scan
    return scan


# -- replies ------------------------------------------------------------------------------------------


def ok(props: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The envelope of a success, with the fields of the command merged over it.

    A field may replace one of the envelope: the reply to ``status`` carries the watcher's state as
    ``status``.
    """
    reply: dict[str, Any] = {"status": "ok", "time": time.time()}
    if props:
        reply.update(props)
    return reply


def error(reason: str = "unknown", tb: str | None = None, errno: int = NOT_SPECIFIED) -> dict[str, Any]:
    """The envelope of a failure: the sentence for the user, a traceback or None, and the error code."""
    return {"status": "error", "reason": reason, "tb": tb, "time": time.time(), "errno": errno}


def encode(reply: Mapping[str, Any]) -> bytes:
    """The JSON of a reply, in ASCII; never raises.

    What JSON has no word for is given one: NaN and the infinities become null, bytes and foreign objects
    text, keys text, and what is nested too deeply null.
    """
    dump = _dump or _make_dump()
    try:
        return "".join(dump(reply, 0)).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        return "".join(dump(_plain(reply, 0), 0)).encode("ascii")


_dump: Callable[[Any, int], Iterable[str]] | None = None


def _make_dump() -> Callable[[Any, int], Iterable[str]]:
    """An encoder made once: ASCII only, refusing NaN, foreign objects as text, no memory of what it has seen.

    ``JSONEncoder`` makes the C half anew for every reply, which costs as much as the encoding itself.
    """
    global _dump
    from json import encoder  # kept off the start path

    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the C half
        plain = encoder.JSONEncoder(allow_nan=False, default=str)
        _dump = lambda reply, _indent: plain.iterencode(reply)  # noqa: E731 - one signature for both
    else:
        text: Any = getattr(encoder, "encode_basestring_ascii")  # noqa: B009 - not in the stubs
        _dump = make(None, str, text, None, ": ", ", ", False, False, False)
    assert _dump is not None
    return _dump


_DEPTH_LIMIT = 64


def _plain(value: Any, depth: int) -> Any:
    """The nearest value that JSON can carry."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else quote(value)
    if isinstance(value, float):
        return value if value - value == 0.0 else None  # the difference is NaN for NaN and the infinities
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if depth >= _DEPTH_LIMIT:
        return None
    if isinstance(value, dict):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    try:
        return str(value)
    except Exception:  # foreign objects run foreign code
        return f"<{type(value).__name__}>"


def _key(key: object) -> str:
    return key if isinstance(key, str) else "null" if key is None else quote(key)
