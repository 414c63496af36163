"""The base of all widgets here: draws itself as lines, and repaints only those that changed.

With a thousand rows and a screen of fifty, the cost of a second is that of the lines that look different from before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

    from circus.top.paint import Paint

#: A line as the widgets write it: texts and their styles.
Line = list[tuple[str, "Style | None"]]
#: A line and the style that lies below its texts (a background), if any.
Drawn = tuple[Line, "Style | None"]
#: What stands for the signs used here where only ASCII may be drawn.
_PLAIN = str.maketrans({
    **dict(zip("▁▂▃▄▅▆▇█", "_.-:=+*#", strict=True)), "▌": ">", "▕": "|", "│": "|", "┃": "#", "▾": "-", "▸": "+",
    "▲": "^", "▼": "v", "●": "*", "○": "o", "•": "o", "·": ".", "…": "~", "‼": "!", "✖": "x", "✔": "+", "—": "-",
    "←": "<", "→": ">", "↑": "^", "↓": "v", "░": ".",
})  # fmt: skip


class LineWidget(Widget):
    """A widget of lines. A subclass gives :meth:`draw`; whoever changed something calls :meth:`redraw`."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._drawn: list[Drawn] = []
        self._strips: list[Strip] = []
        #: The colours in force; there from the first drawing on.
        self.paint: Paint

    def on_mount(self) -> None:
        self.paint = cast("Paint", self.app.paint)  # type: ignore[attr-defined]

    def draw(self, width: int, height: int) -> list[Drawn]:
        """All lines, from top to bottom."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw, and repaint what looks different now."""
        width, height = self.size
        plain = bool(getattr(self.app, "ascii_only", False))
        if not self.is_mounted or not width or not height or not self.display:
            return
        drawn = self.draw(width, height)[:height]
        drawn += [([], None)] * (height - len(drawn))
        changed = []
        full = len(self._drawn) != height or any(strip.cell_length != width for strip in self._strips[:1])
        strips = []
        base = self.rich_style
        for y, line in enumerate(drawn):
            if not full and line == self._drawn[y]:
                strips.append(self._strips[y])
            else:
                content = _in_ascii(line[0]) if plain else line[0]
                strips.append(_strip(content, base if line[1] is None else base + line[1], width))
                changed.append(Region(0, y, width, 1))
        self._drawn, self._strips = drawn, strips
        if full:
            self.refresh()
        elif changed:
            self.refresh(*changed)

    def forget(self) -> None:
        """Draw everything anew: the colours changed."""
        self.paint = cast("Paint", self.app.paint)  # type: ignore[attr-defined]
        self._drawn, self._strips = [], []
        self.redraw()

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def on_show(self, event: events.Show) -> None:
        self.redraw()


def _in_ascii(line: Line) -> Line:
    return [(text.translate(_PLAIN).encode("ascii", "replace").decode(), style) for text, style in line]


def _strip(line: Line, below: Style, width: int) -> Strip:
    segments = []
    left = width
    for text, style in line:
        cells = len(text) if text.isascii() else cell_len(text)
        if cells > left:
            text, cells = set_cell_size(text, left), left
        if text:
            segments.append(Segment(text, below if style is None else below + style))
        left -= cells
        if not left:
            break
    if left:
        segments.append(Segment(" " * left, below))
    return Strip(segments, width)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Text in exactly that many cells; what is cut off is marked."""
    cells = len(text) if text.isascii() else cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    pad = " " * (width - cells)
    return pad + text if right else text + pad


def clean(text: str) -> str:
    """Text that moves no cursor: control characters become visible ones."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "    " if c == "\t" else "·" for c in text)


def scrollbar(height: int, total: int, offset: int) -> list[bool]:
    """For each line of a view of ``height``, whether the thumb of the scroll bar is there; empty if all fits."""
    if total <= height or height < 1:
        return []
    size = max(1, height * height // total)
    at = round(offset / (total - height) * (height - size))
    return [at <= y < at + size for y in range(height)]
