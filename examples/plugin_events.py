"""A plugin that writes every event as a line of JSON to a file (examples/plugin_events.ini)."""

from __future__ import annotations

import json
from typing import Any

from circus.plugins import CircusPlugin


class EventWriter(CircusPlugin):
    """Appends events to a file.

    :param filename: the file.
    :param kwargs: what every plugin gets: where the daemon is, and the options of the section.
    """

    name = "event_writer"

    def __init__(self, filename: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filename = filename

    def handle_recv(self, data: list[bytes]) -> None:
        """Called with each event: its topic and its payload."""
        watcher, action, payload = self.split_data(data)
        event = {"watcher": watcher, "action": action, **self.load_message(payload)}
        with open(self.filename, "a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
