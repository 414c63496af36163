"""Reading lines on a terminal with prompt_toolkit: history, completion, suggestions.

Used by the shell; importing it fails with ImportError where prompt_toolkit is not installed. It knows lines,
not what they do.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from circus.ctl.completion import LiveWords, complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_toolkit.document import Document

    from circus.ctl.vocabulary import Commands


def make_reader(client: Any, commands: Commands, **session_options: Any) -> Callable[[str], str]:
    """A function that reads one line after a given prompt.

    It raises EOFError for Ctrl-D and KeyboardInterrupt for Ctrl-C on an empty line; on another one Ctrl-C drops it.

    :param client: the client of the shell; completion asks the same daemon over a connection of its own.
    :param commands: command word -> command.
    :param session_options: handed on to ``PromptSession`` (input and output of tests).
    """
    session: PromptSession[str] = PromptSession(
        completer=WordCompleter(client, commands),
        complete_in_thread=True,  # a slow daemon must not hold up the keyboard
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        history=open_history(history_path()),
        **session_options,
    )

    def read(prompt: str) -> str:
        while True:
            try:
                return session.prompt(prompt)
            except KeyboardInterrupt:
                if not session.default_buffer.text:
                    raise

    return read


def history_path() -> str:
    """Where the history is kept: ``$XDG_STATE_HOME/circus/history``, by default below ``~/.local/state``."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser(os.path.join("~", ".local", "state"))
    return os.path.join(state, "circus", "history")


class _PrivateHistory(FileHistory):
    """A history file that never gets in the way: a full disk costs the line, not the shell."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)


def open_history(path: str) -> History:
    """The history kept in a file (mode 0600, made when missing), or one in memory if that is not possible."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    except OSError:
        return InMemoryHistory()
    os.close(fd)
    return _PrivateHistory(path)


class WordCompleter(Completer):
    """The words of :mod:`circus.ctl.completion` for the line before the cursor."""

    def __init__(self, client: Any, commands: Commands) -> None:
        self._client, self._commands = client, commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        from circus.ctl.completion import split_line

        words, prefix, raw = split_line(document.text_before_cursor)
        live = LiveWords.of_client(self._client)
        try:
            for word, description in complete(words, prefix, self._commands, live, in_shell=True):
                yield Completion(
                    shlex.quote(word), start_position=-len(raw), display=word, display_meta=description
                )
        finally:
            live.close()
