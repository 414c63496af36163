"""JSON without the cost of the ``json`` package.

``import json`` compiles three regular expressions and loads ``re`` and ``enum``: 8 of the 25 ms of a
``circusctl status``. Its C half alone does all that is needed. Where that half is missing or has changed, the
package itself serves. Called on circusctl's way; everybody else imports ``json``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Dialect:
    """What the C scanner wants to know about the dialect: the defaults of ``json.loads``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _unknown(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _build() -> tuple[Any, Any] | None:
    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner

        encoder = make_encoder(None, _unknown, encode_basestring_ascii, None, ": ", ", ", False, False, True)
        context: Any = _Dialect
        scanner = make_scanner(context)
        if "".join(encoder({"a": [1, None]}, 0)) == '{"a": [1, null]}' and scanner('{"a":1.5}', 0)[0] == {
            "a": 1.5
        }:
            return encoder, scanner
    except (ImportError, AttributeError, TypeError, ValueError, StopIteration):
        pass
    return None


_quick = _build()


def dumps(value: Any) -> str:
    """``json.dumps(value)``: ASCII, ``", "`` and ``": "``.

    :raises TypeError: something in it has no JSON form.
    :raises ValueError: it contains itself (found by the depth it reaches).
    """
    if _quick is None:
        import json

        return json.dumps(value)
    try:
        return "".join(_quick[0](value, 0))
    except RecursionError:
        raise ValueError("Circular reference detected") from None


def loads(data: bytes | str) -> Any:
    """``json.loads(data)`` for UTF-8 bytes or text.

    :raises ValueError: it is no JSON.
    """
    text = (data.decode("utf-8") if isinstance(data, bytes) else data).strip(" \t\n\r")
    if _quick is not None:
        try:
            value, end = _quick[1](text, 0)
            if end == len(text):
                return value
        except (StopIteration, SystemError, ValueError):
            pass  # the C half alone cannot even name the error in every version: let the package say it
    import json

    return json.loads(text)
