"""Time spans in words."""

from __future__ import annotations

import pytest

from circus.base.spans import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0004, "0 s"), (0.0041, "0.004 s"), (0.25, "0.25 s"), (1, "1 s"), (2.34, "2.3 s"), (45.2, "45 s"),
        (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (12_000, "3 h 20 min"), (172_800, "2 d"),
        (190_000, "2 d 4 h"),
    ],
)  # fmt: skip
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text
