"""Curves out of block characters, eight steps to a cell.

Pure; used by the chart pane. Blocks are in every terminal's font, which dots (braille) are not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = tuple(step * ten for ten in (1, 10, 100) for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8))


def plot(values: Sequence[float | None], rows: int, top: float) -> list[str]:
    """The area below a curve, from the highest row to the lowest.

    :param values: one for each cell of a row; None leaves a gap.
    :param top: the value at the upper edge.
    """
    steps = len(_BLOCKS) - 1
    full = rows * steps
    heights = [
        0 if value is None else min(full, max(1 if value > 0 else 0, round(value / top * full) if top > 0 else 0))
        for value in values
    ]
    return [
        "".join(_BLOCKS[min(steps, max(0, height - row * steps))] for height in heights)
        for row in range(rows - 1, -1, -1)
    ]


def nice_top(value: float, *, binary: bool = False) -> float:
    """A round number that is not less than the value: the upper edge of a scale.

    :param binary: round in multiples of 1024, for bytes.
    """
    if value <= 0:
        return 1.0
    unit = 1.0
    base = 1024.0 if binary else 1000.0
    while value / unit >= base:
        unit *= base
    scaled = value / unit
    return next((step * unit for step in _STEPS if scaled <= step), base * unit)
