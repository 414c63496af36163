"""What circus-top remembers from one time to the next: sorting, columns, theme; in a private file.

``$XDG_STATE_HOME/circus/top.json``, by default below ``~/.local/state``. A file that cannot be read or written costs
the memory, not the program.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from circus.model.dashboard.columns import COLUMNS, DEFAULT_COLUMNS


def memory_path() -> str:
    """Where the file is."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser(os.path.join("~", ".local", "state"))
    return os.path.join(state, "circus", "top.json")


def recall() -> dict[str, Any]:
    """What was remembered, with the defaults for what was not or makes no sense.

    :returns: ``sort``, ``reverse``, ``columns``, ``flat``, ``theme``, ``wrap``, ``keys``.
    """
    known: dict[str, Any] = {
        "sort": "name", "reverse": False, "columns": list(DEFAULT_COLUMNS), "flat": False, "theme": "circus-dark",
        "wrap": True, "keys": {},
    }  # fmt: skip
    try:
        with open(memory_path(), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return known
    for key, default in known.items():
        if isinstance(found, dict) and isinstance(found.get(key), type(default)):
            known[key] = found[key]
    known["columns"] = [key for key in known["columns"] if key in COLUMNS] or list(DEFAULT_COLUMNS)
    if "name" not in known["columns"]:
        known["columns"].insert(0, "name")
    if known["sort"] not in COLUMNS:
        known["sort"] = "name"
    return known


def remember(values: dict[str, Any]) -> None:
    """Write the file, mode 0600, whole or not at all."""
    path = memory_path()
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".top-")
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
            file.write("\n")
        os.replace(name, path)
    except OSError:
        return  # a full disk or a read-only home is no reason to end with an error
