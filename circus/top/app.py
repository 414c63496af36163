"""The application: colours, the one main screen, the start and the end.

Run by the door when there is a terminal. Everything that is on the screen is in :mod:`circus.top.mainscreen` and the
widgets.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.binding import Binding

from circus.exc import ArgumentError
from circus.top.keys import chosen_keys
from circus.top.mainscreen import MainScreen, binding_id
from circus.top.memory import recall
from circus.top.paint import THEMES, Paint
from circus.top.session import Session

if TYPE_CHECKING:
    import argparse

    from textual.theme import Theme


class TopApp(App[None]):
    """circus-top.

    :param options: the command line.
    :param memory: what was remembered from the last time.
    """

    TITLE = "circus-top"
    BINDINGS = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: $background; color: $foreground; }
    LineWidget { background: $background; color: $foreground; }
    Input { color: $foreground; background: $panel; border: none; height: 1; padding: 0 1; }
    Input:focus { border: none; }
    Input > .input--cursor { background: $panel; color: $foreground; text-style: reverse; }
    Input > .input--placeholder { color: $text-muted; text-style: none; }
    """

    def __init__(self, options: argparse.Namespace, memory: dict[str, Any] | None = None, **arguments: Any) -> None:
        # Colours that output brings along are the terminal's business; translating them costs each line drawn.
        super().__init__(ansi_color=True, **arguments)
        self.animation_level = "none"
        self.options = options
        self.ascii_only = bool(options.ascii)
        self.memory = recall() if memory is None else memory
        for theme in THEMES:
            self.register_theme(theme)
        wanted = options.theme or self.memory["theme"]
        self.theme = wanted if wanted in self.available_themes else THEMES[0].name
        self.paint = self._mix()
        self.session = Session(options, self._changed)
        self.main = MainScreen(self.session, self.memory, options)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._repaint_all)
        self.set_keymap({binding_id(key.action): key.keys for key in chosen_keys(self.memory["keys"])})
        self.push_screen(self.main)
        self.session.start()
        if not self.is_headless:
            self._end_by_signals()

    def _end_by_signals(self) -> None:
        """Whoever ends the program gets the terminal back as it was; a second signal ends it in any case."""
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            loop.remove_signal_handler(number)
            self.exit()

        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                with contextlib.suppress(NotImplementedError):  # Windows
                    loop.add_signal_handler(getattr(signal, name), end, getattr(signal, name))

    async def action_quit(self) -> None:
        self.main.remember()
        self.exit()

    async def on_unmount(self) -> None:
        await self.session.stop()

    def _changed(self, what: str) -> None:
        self.main.touch(what)

    def _mix(self) -> Paint:
        return Paint(self.get_css_variables(), dark=self.current_theme.dark)

    def _repaint_all(self, theme: Theme) -> None:
        self.paint = self._mix()
        self.main.forget()


def run_screen(options: argparse.Namespace) -> int:
    """Show the screen until somebody quits. :returns: the exit status."""
    try:
        app = TopApp(options)
    except (ArgumentError, OSError) as error:
        print(f"circus-top: {error}", file=sys.stderr)
        return 1
    if options.theme and options.theme not in app.available_themes:
        names = ", ".join(sorted(app.available_themes))
        print(f"circus-top: no theme {options.theme!r} (choose from {names})", file=sys.stderr)
        return 2
    app.run()
    return app.return_code or 0
