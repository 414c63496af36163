"""Colours by meaning, from the theme in force: what the widgets draw with.

Made anew when the theme changes. Colours never carry a meaning alone: states are words, sorted columns have an arrow,
the cursor has a mark. Two themes of our own stand beside those of textual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping

DARK = Theme(
    name="circus-dark", dark=True, primary="#6cb0f5", secondary="#8d9fb8", accent="#d3a0e8", warning="#e6b964",
    error="#f2766e", success="#79cc8b", foreground="#d6dce4", background="#12151a", surface="#181c22", panel="#222831",
)  # fmt: skip
LIGHT = Theme(
    name="circus-light", dark=False, primary="#1d66ab", secondary="#5c6b7d", accent="#8a3fa8", warning="#8f5c00",
    error="#b92c25", success="#23743a", foreground="#20262e", background="#fcfcfa", surface="#f3f4f1", panel="#e5e8e3",
)  # fmt: skip
THEMES = (DARK, LIGHT)

#: How much contrast text has at least (WCAG AA).
_CONTRAST = 4.5


class Paint:
    """The styles.

    :param variables: the CSS variables of the theme.
    :param dark: whether it is a dark one.
    """

    def __init__(self, variables: Mapping[str, str], *, dark: bool) -> None:
        parse = Color.parse
        back = _opaque(variables["background"], parse("#121212" if dark else "#efefef"))
        fore = _opaque(variables["foreground"], parse("#e0e0e0" if dark else "#202020"))
        self._back = back
        self.text = Style(color=fore.rich_color)
        self.strong = Style(color=fore.rich_color, bold=True)
        self.dim = Style(color=_readable(fore.blend(back, 0.42), back, 3.6).rich_color)
        self.faint = Style(color=fore.blend(back, 0.66).rich_color)
        primary = self._ink(variables["primary"])
        self.key = Style(color=primary.rich_color, bold=True)
        self.primary = Style(color=primary.rich_color)
        self.accent = Style(color=self._ink(variables["accent"]).rich_color)
        self.good = Style(color=self._ink(variables["success"]).rich_color)
        self.warn = Style(color=self._ink(variables["warning"]).rich_color)
        self.bad = Style(color=self._ink(variables["error"]).rich_color)
        self.graph = Style(color=primary.blend(back, 0.2).rich_color)
        self.title = Style(color=self.dim.color, bold=True)
        self.bar = Style(bgcolor=_opaque(variables["panel"], back.blend(fore, 0.1)).rich_color)
        self.cursor = Style(bgcolor=back.blend(primary, 0.3).rich_color)
        self.cursor_away = Style(bgcolor=back.blend(fore, 0.1).rich_color)
        self.found = Style(color=back.rich_color, bgcolor=self.warn.color)
        self.alarm = Style(color=back.rich_color, bgcolor=self.bad.color, bold=True)
        #: One for each worker in merged output.
        self.crowd = tuple(
            Style(color=_readable(Color.from_hsl(hue / 360, 0.55, 0.62 if dark else 0.36), back, 4.0).rich_color)
            for hue in (205, 140, 35, 285, 175, 330, 80, 15)
        )

    def _ink(self, colour: str) -> Color:
        return _readable(_opaque(colour, Color.parse("#808080")), self._back, _CONTRAST)

    def gravity(self, name: str) -> Style:
        """The style of ``bad``, ``warning``, ``good``, ``plain``."""
        return {"bad": self.bad, "warning": self.warn, "good": self.good}.get(name, self.text)

    def state(self, name: str) -> Style:
        """The style of a watcher's status, a worker's state, or a connection's."""
        if name in ("active", "running", "live"):
            return self.good
        return self.dim if name in ("", "stopped") else self.bad if name in ("lost", "failed") else self.warn


def _opaque(text: str, otherwise: Color) -> Color:
    """A colour of the theme; what names no colour of its own (terminal colours) is replaced."""
    try:
        colour = Color.parse(text)
    except ValueError:
        return otherwise
    return colour if colour.a == 1 and colour.ansi is None else otherwise


def _readable(colour: Color, back: Color, contrast: float) -> Color:
    """The colour, moved away from the background until it can be read there."""
    goal = Color.parse("#ffffff" if back.brightness < 0.5 else "#000000")
    for _ in range(12):
        if _contrast(colour, back) >= contrast:
            break
        colour = colour.blend(goal, 0.12)
    return colour


def _contrast(one: Color, other: Color) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Color) -> float:
    parts = [value / 255 for value in (colour.r, colour.g, colour.b)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
