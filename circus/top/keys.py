"""The keys, what they do, and where: read by the screen for its bindings and by the help.

Other keys can be chosen for an action in the file of settings (``keys``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Key(NamedTuple):
    """Keys (as textual calls them, separated by commas) for an action in a place of the screen."""

    action: str
    keys: str
    shown: str
    group: str
    doc: str


#: Sort keys: the letter, the column.
SORTS = {
    "N": "name", "P": "pid", "S": "state", "C": "cpu", "M": "rss", "R": "restarts", "A": "age", "E": "exit",
    "F": "fds", "T": "threads", "I": "write", "Q": "queue", "O": "procs",
}  # fmt: skip
SIGNALS = ("HUP", "USR1", "USR2", "INT", "QUIT", "TERM", "KILL", "STOP", "CONT", "WINCH", "TTIN", "TTOU")

KEYS: tuple[Key, ...] = (
    Key("move(1)", "down,j", "↓ j", "Move", "next row"),
    Key("move(-1)", "up,k", "↑ k", "Move", "row before"),
    Key("page(1)", "pagedown,ctrl+f", "PgDn", "Move", "a page down"),
    Key("page(-1)", "pageup,ctrl+b", "PgUp", "Move", "a page up"),
    Key("edge(-1)", "home,g", "Home g", "Move", "to the first"),
    Key("edge(1)", "end,G", "End G", "Move", "to the last; in the output: follow"),
    Key("next_pane", "tab", "Tab", "Move", "between the table and the pane below"),
    Key("fold(-1)", "left,h", "← h", "Tree", "fold, or go to the row above"),
    Key("fold(1)", "right,l", "→ l", "Tree", "unfold"),
    Key("fold(0)", "space", "Space", "Tree", "fold or unfold"),
    Key("fold_all", "asterisk", "*", "Tree", "fold or unfold everything"),
    Key("flat", "t", "t", "Tree", "tree, or all workers in one list"),
    Key("mark", "m", "m", "Tree", "mark a row: output and actions are for all marked ones"),
    Key("unmark", "u", "u", "Tree", "unmark all"),
    Key("filter", "slash", "/", "Look", "filter rows: cpu>50 and restarts>0, name~web, state=stopped"),
    Key("columns", "c", "c", "Look", "choose columns"),
    Key("sort_step(-1)", "less_than_sign", "<", "Look", "sort by the column to the left"),
    Key("sort_step(1)", "greater_than_sign", ">", "Look", "sort by the column to the right"),
    Key("pane('chart')", "1", "1", "Panes", "chart of the row: v what, [ ] how long"),
    Key("pane('output')", "2", "2", "Panes", "output of the row or the marked ones"),
    Key("pane('events')", "3", "3", "Panes", "events; o of all watchers, Enter shows that time"),
    Key("pane('why')", "4", "4", "Panes", "why the watcher is as it is"),
    Key("zoom", "z", "z", "Panes", "the pane on the whole screen"),
    Key("span(-1)", "left_square_bracket", "[", "Panes", "chart: a shorter time; replay: slower"),
    Key("span(1)", "right_square_bracket", "]", "Panes", "chart: a longer time; replay: faster"),
    Key("measure", "v", "v", "Panes", "chart: CPU, memory, i/o, processes"),
    Key("pause", "p", "p", "Panes", "output: hold still or follow; replay: pause"),
    Key("find(-1)", "n", "n", "Output", "what / found before"),
    Key("find(1)", "N", "N", "Output", "what / found after (when the pane has the focus)"),
    Key("output_filter", "ampersand", "&", "Output", "show only lines that match; with ! in front, hide them"),
    Key("older", "b", "b", "Output", "older lines from the log files; with / or & only to what is looked for"),
    Key("wrap", "w", "w", "Output", "wrap long lines or cut them"),
    Key("pretty", "J", "J", "Output", "JSON on several lines"),
    Key("copy", "y", "y", "Output", "copy what is in sight"),
    Key("save", "ctrl+s", "Ctrl-S", "Output", "save all lines to a file"),
    Key("act('start')", "s", "s", "Act", "start"),
    Key("act('stop')", "x", "x", "Act", "stop"),
    Key("act('restart')", "r", "r", "Act", "restart (a worker: end it and have it replaced)"),
    Key("act('reload')", "e", "e", "Act", "reload gracefully"),
    Key("act('incr')", "plus", "+", "Act", "one worker more"),
    Key("act('decr')", "minus", "-", "Act", "one worker less"),
    Key("act('signal')", "i", "i", "Act", "send a signal"),
    Key("act('kill')", "K", "K", "Act", "kill at once"),
    Key("menu", "enter,a", "Enter a", "Act", "all that can be done to this row"),
    Key("reloadconfig", "L", "L", "Act", "read the configuration file again; shows first what will change"),
    Key("palette", "colon", ":", "Act", "any command of circusctl"),
    Key("theme", "ctrl+t", "Ctrl-T", "Other", "next theme"),
    Key("help", "question_mark,f1", "?", "Other", "this page"),
    Key("escape", "escape", "Esc", "Other", "close what is open: pane, filter, marks"),
    Key("quit", "q", "q", "Other", "quit"),
)


def chosen_keys(chosen: Mapping[str, str]) -> list[Key]:
    """The table with the keys somebody chose.

    :param chosen: by action, without its arguments' quotes: ``{"act(stop)": "ctrl+x"}``.
    """
    plain = {name.replace("'", "").replace('"', ""): keys for name, keys in chosen.items() if isinstance(keys, str)}
    found = []
    for key in KEYS:
        keys = plain.get(key.action.replace("'", ""))
        found.append(key if keys is None else key._replace(keys=keys, shown=keys))
    return found
