"""What a dashboard shows of running daemons, as pure data: the tree of everything and how it changes.

``circus-top`` feeds it with what it hears (statistics, events, replies, output) and draws what it finds here; the web
console does the same. Nothing below this package knows a socket, a terminal or a clock: each input carries its
time, so what happened can be recorded, replayed and tested as a dialogue.
"""

from __future__ import annotations

from circus.model.dashboard.alerts import Alert, find_alerts
from circus.model.dashboard.board import Dashboard
from circus.model.dashboard.columns import COLUMNS, Column
from circus.model.dashboard.endpoint import Endpoint
from circus.model.dashboard.filters import Filter, FilterError, parse_filter
from circus.model.dashboard.happenings import Happening
from circus.model.dashboard.node import Node
from circus.model.dashboard.output import OutputBook, OutputLine
from circus.model.dashboard.series import History, sparkline
from circus.model.dashboard.view import Row, View, visible_rows

__all__ = [
    "COLUMNS", "Alert", "Column", "Dashboard", "Endpoint", "Filter", "FilterError", "Happening", "History", "Node",
    "OutputBook", "OutputLine", "Row", "View", "find_alerts", "parse_filter", "sparkline", "visible_rows",
]  # fmt: skip
