"""Compatibility: where Circus 0.19 had the conversion of options. Re-exports only."""

from __future__ import annotations

from circus.exc import ArgumentError, MessageError
from circus.model.options import convert_option, validate_option

__all__ = ["ArgumentError", "MessageError", "convert_option", "validate_option"]
