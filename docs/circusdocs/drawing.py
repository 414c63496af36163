"""Draws a terminal's screen as SVG: text as text, block characters as areas, so that curves have no seams.

Fetches nothing and needs no font of its own. Used by ``docs/screenshots.py``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 18, 14, 8
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

#: Characters that are drawn: left, top, width and height as parts of a cell.
_AREAS = {
    **{chr(0x2580 + eighths): (0.0, 1 - eighths / 8, 1.0, eighths / 8) for eighths in range(1, 9)},
    "▌": (0.0, 0.0, 0.5, 1.0), "▕": (0.875, 0.0, 0.125, 1.0), "│": (0.45, 0.0, 0.1, 1.0), "┃": (0.4, 0.0, 0.2, 1.0),
    "─": (0.0, 0.47, 1.0, 0.06),
}  # fmt: skip

#: A text with its foreground, its background (None: that of the screen), and whether it is bold.
Run = tuple[str, str, "str | None", bool]


def draw(lines: Sequence[Iterable[Run]], columns: int, back: str) -> str:
    """A picture of the lines, each a sequence of runs."""
    grounds, areas, texts = defaultdict(list), defaultdict(list), defaultdict(list)
    for row, line in enumerate(lines):
        column = 0
        for text, fore, ground, is_bold in line:
            if ground is not None and ground != back:
                grounds[ground].append(_box(column, row, len(text), (0, 0, 1, 1)))
            for part in re.finditer(rf"([{''.join(_AREAS)}])\1*|(?:(?![{''.join(_AREAS)}]| {{2}})[^\n])+", text):
                piece = part[0].strip()
                at = column + part.start() + len(part[0]) - len(part[0].lstrip())
                if piece[:1] in _AREAS:
                    areas[fore].append(_box(at, row, len(piece), _AREAS[piece[0]]))
                elif piece:
                    texts[fore, is_bold].append(_text(at, row, piece))
            column += len(text)
    width, height = round(columns * WIDTH + 2 * MARGIN), len(lines) * HEIGHT + 2 * MARGIN
    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" rx="6" fill="{back}"/>',
        *(f'<path fill="{colour}" d="{"".join(boxes)}"/>' for colour, boxes in [*grounds.items(), *areas.items()]),
        f'<g font-family="{FONTS}" font-size="{SIZE}">',
    ]
    for (colour, is_bold), found in texts.items():
        made.append(f'<g fill="{colour}"{" font-weight=" + chr(34) + "bold" + chr(34) if is_bold else ""}>')
        made += [*found, "</g>"]
    return "\n".join([*made, "</g>", "</svg>", ""])


def _box(column: int, row: int, cells: int, area: tuple[float, float, float, float]) -> str:
    left, top, width, height = area
    x = MARGIN + (column + left) * WIDTH
    y = MARGIN + (row + top) * HEIGHT
    across = (cells - 1 + width) * WIDTH
    return f"M{x:.4g} {y:.5g}h{across:.4g}v{height * HEIGHT:.3g}h-{across:.4g}z"


def _text(column: int, row: int, text: str) -> str:
    x, y = MARGIN + column * WIDTH, MARGIN + row * HEIGHT + 13.5
    return f'<text x="{x:.5g}" y="{y:.5g}" textLength="{len(text) * WIDTH:.5g}">{escape(text)}</text>'
