"""Time spans in words, for log lines, causes and what circusctl prints."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A time span for people: ``0.25 s``, ``2.3 s``, ``45 s``, ``5 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < 1:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
