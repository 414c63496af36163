"""Compatibility: names of Python 2's types, for web consoles and plugins that still import them."""

from __future__ import annotations

PY3 = True
string_types: tuple[type, ...] = (str,)
integer_types: tuple[type, ...] = (int,)
text_type = str
bytestring = bytes
long = int

__all__ = ["PY3", "bytestring", "integer_types", "long", "string_types", "text_type"]
