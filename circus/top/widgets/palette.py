"""The palette: any command of circusctl, completed while it is typed, with what the daemon answered below.

Knows lines and texts; what a line does is the screen's business.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from circus.top.commandline import ModelWords, candidates
from circus.top.widgets.lines import LineWidget, clean, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.app import ComposeResult

    from circus.ctl.vocabulary import Vocabulary
    from circus.model.dashboard import Endpoint
    from circus.top.widgets.lines import Drawn

_SHOWN = 8


class _Below(LineWidget):
    """Words to choose from, or what came of a command."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[str, str]] = []
        self.at = 0
        self.texts: list[tuple[str, str]] = []
        self.first = 0

    def draw(self, width: int, height: int) -> list[Drawn]:
        paint = self.paint
        if self.texts:
            shown = self.texts[self.first : self.first + height]
            return [([(clean(text), paint.gravity(gravity))], None) for gravity, text in shown]
        first = max(0, min(self.at - height // 2, len(self.words) - height))
        wide = max((len(word) for word, _ in self.words), default=0)
        return [
            (
                [
                    ("▌" if at == self.at else " ", paint.key),
                    (fit(word, min(wide, 30)), paint.text),
                    (f"  {clean(doc)}", paint.dim),
                ],
                paint.cursor if at == self.at else None,
            )
            for at, (word, doc) in list(enumerate(self.words))[first : first + height]
        ]


class Palette(ModalScreen[None]):
    """The palette.

    :param submit: called with each line that is entered.
    """

    CSS = """
    Palette { align: center bottom; background: $background 30%; }
    Palette > Vertical { width: 100%; height: auto; max-height: 80%; background: $panel; padding: 0 1; }
    Palette Input { padding: 0; background: $background; }
    Palette Static { height: 1; color: $primary; background: $panel; }
    Palette LineWidget { background: $panel; height: 8; }
    """
    BINDINGS = [
        Binding("escape", "leave", show=False),
        Binding("tab", "complete", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("pageup", "move(-8)", show=False, priority=True),
        Binding("pagedown", "move(8)", show=False, priority=True),
    ]

    def __init__(
        self, vocabulary: Vocabulary, endpoint: Endpoint | None, submit: Callable[[str], None], begin: str = ""
    ) -> None:
        super().__init__()
        self._vocabulary, self._submit, self._begin = vocabulary, submit, begin
        self._endpoint = endpoint
        self._live = ModelWords(endpoint)

    def compose(self) -> ComposeResult:
        with Vertical():
            endpoint = self._endpoint.name if self._endpoint is not None else "no daemon"
            yield Static(f"circusctl at {endpoint}", markup=False)
            hint = "a command of circusctl; Tab completes, Esc closes"
            yield Input(value=self._begin, placeholder=hint, select_on_focus=False)
            yield _Below()

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._look()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._submit(event.value.strip())

    def _look(self) -> None:
        below = self.query_one(_Below)
        line = self.query_one(Input).value
        _, below.words = candidates(line, self._vocabulary, self._live)
        below.texts, below.at, below.first = [], 0, 0
        self._resize(len(below.words))

    def know_options(self, watcher: str, options: Mapping[str, Any]) -> None:
        """The options of a watcher and their present values, to complete with."""
        self._live.know_options(watcher, options)
        if self.is_mounted and not self.query_one(_Below).texts:
            self._look()

    def _resize(self, count: int) -> None:
        below = self.query_one(_Below)
        most = max(_SHOWN, int(self.app.size.height * 0.6)) if below.texts else _SHOWN
        below.styles.height = max(1, min(count, most))
        below.redraw()

    def tell(self, gravity: str, text: str) -> None:
        """Show what came of a command."""
        below = self.query_one(_Below)
        below.texts = [(gravity, part) for part in text.rstrip("\n").split("\n")]
        below.first = 0
        self._resize(len(below.texts))

    def action_move(self, step: int) -> None:
        below = self.query_one(_Below)
        if below.texts:
            below.first = max(0, min(below.first + step, len(below.texts) - below.size.height))
        elif below.words:
            below.at = (below.at + step) % len(below.words)
        below.redraw()

    def action_complete(self) -> None:
        below, line = self.query_one(_Below), self.query_one(Input)
        if not below.words:
            return
        raw, _ = candidates(line.value, self._vocabulary, self._live)
        word = below.words[below.at][0]
        gap = "" if word.endswith((".", "=")) else " "
        line.value = line.value[: len(line.value) - len(raw)] + shlex.quote(word) + gap
        line.cursor_position = len(line.value)

    def action_leave(self) -> None:
        self.dismiss(None)
