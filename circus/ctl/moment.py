"""``--since``: what people write for a moment in the past.

Called by the commands that look back. Times without a zone are local ones.
"""

from __future__ import annotations

import re
import time

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_EXPECTED = "expected 30s, 10m, 2h, 1d, a time such as 2026-11-21T10:00 or 10:00"


def parse_moment(text: str, now: float | None = None) -> float:
    """The moment that ``text`` means, as epoch seconds.

    :param text: a span before now (``90s``, ``1h30m``), a date, a date and time (ISO 8601), a time of day (the last
        one that was), or epoch seconds.
    :param now: the present moment, epoch seconds.
    :raises ValueError: it means nothing; the text says what would.
    """
    now = time.time() if now is None else now
    text = text.strip()
    spans = _SPAN.findall(text)
    if spans and not _SPAN.sub("", text).strip():
        return now - sum(float(number) * _SECONDS[unit] for number, unit in spans)
    if re.fullmatch(r"\d{10}(\.\d*)?", text, re.ASCII):
        return float(text)
    from datetime import datetime, timedelta

    try:
        if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text, re.ASCII):
            clock = datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()
            moment = datetime.combine(datetime.fromtimestamp(now).date(), clock)
            return (moment if moment.timestamp() <= now else moment - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no moment: {_EXPECTED}") from None


def parse_event_moment(text: str) -> int | float:
    """As :func:`parse_moment`, but a small whole number is the number of an event, and stays an int.

    :raises ValueError: it means nothing.
    """
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    try:
        return parse_moment(text)
    except ValueError as error:
        raise ValueError(f"{error}, or the number of an event") from None
