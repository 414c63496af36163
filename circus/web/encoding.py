"""How messages for live pages are written."""

from __future__ import annotations

import json
from typing import Any


def encoded(message: dict[str, Any]) -> str:
    """A message as it is sent."""
    return json.dumps(message, separators=(",", ":"), default=str)
