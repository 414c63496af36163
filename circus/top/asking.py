"""The line at the bottom in which something is typed: a filter of rows, a search or a filter in the output.

A mixin of the main screen, apart from it because it is a matter of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widgets import Input

from circus.model.dashboard import FilterError, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable


class Asking:
    """The typing part of the main screen; the rest gives it what is declared here."""

    if TYPE_CHECKING:
        view: Any
        table: Any
        foot: Any
        output: Any
        pane_name: str
        query_one: Callable[..., Any]
        refresh_table: Callable[[], None]
        _refresh_pane: Callable[[], None]
        drop_backlog: Callable[[], None]
        _focused_pane: Any

    _prompt_for = ""

    def action_filter(self) -> None:
        if self._focused_pane is self.output:
            self._prompt("search", self.output.search.pattern if self.output.search else "", "search in the output")
        else:
            text = self.view.filter.text if self.view.filter else ""
            self._prompt("filter", text, "filter: cpu>50 and restarts>0, name~web, state=stopped")

    def action_output_filter(self) -> None:
        if self.pane_name == "output":
            text = self.output.filter.pattern if self.output.filter else ""
            self._prompt("only", text, "only lines with …; ! hides them")

    def _prompt(self, what: str, text: str, hint: str) -> None:
        self._prompt_for = what
        prompt = self.query_one("#prompt", Input)
        prompt.display, self.foot.display = True, False
        prompt.placeholder, prompt.value = hint, text
        prompt.cursor_position = len(text)
        prompt.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._prompt_for == "filter" and event.input.display:
            self.set_filter(event.value, quiet=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text, what = event.value, self._prompt_for
        self._close_prompt()
        if what == "filter":
            self.set_filter(text)
        elif what == "search":
            self._tell_problem(self.output.set_search(text))
        elif what == "only":
            if self.output.filter is not None:
                self.drop_backlog()  # older lines that the filter before left out were never brought
            self._tell_problem(self.output.set_filter(text.removeprefix("!"), hide=text.startswith("!")))

    def _close_prompt(self) -> None:
        prompt = self.query_one("#prompt", Input)
        prompt.display, self.foot.display = False, True
        target = self.output if self._prompt_for in ("search", "only") else self.table
        self._prompt_for = ""
        target.focus()

    def leave_prompt(self) -> bool:
        """Close the line without doing what is in it. :returns: whether it was open."""
        if not self._prompt_for:
            return False
        if self._prompt_for == "filter":
            self.set_filter("")
        self._close_prompt()
        return True

    def _tell_problem(self, problem: str) -> None:
        if problem:
            self.foot.tell("bad", problem)

    def set_filter(self, text: str, *, quiet: bool = False) -> None:
        """Show only rows that fulfil an expression; while it is typed, an unfinished one changes nothing."""
        try:
            self.view.filter = parse_filter(text)
        except FilterError as error:
            if not quiet:
                self.foot.tell("bad", f"{error} (at {error.at + 1})")
            return
        self.refresh_table()
        self._refresh_pane()
