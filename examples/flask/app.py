"""A Flask application: the pages tell which worker answered."""

from __future__ import annotations

import os
import time
from typing import Any

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> dict[str, Any]:
    """Who we are; circusd tells its workers."""
    return {"watcher": os.environ.get("CIRCUS_WATCHER"), "wid": os.environ.get("CIRCUS_WID"), "pid": os.getpid()}


@app.get("/slow/")
def slow() -> dict[str, Any]:
    """The same after half a second: something to be in the middle of when a worker is asked to end."""
    time.sleep(0.5)
    return index()
