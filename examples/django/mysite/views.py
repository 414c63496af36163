"""What the pages say: which worker answered."""

from __future__ import annotations

import os
import time

from django.http import HttpRequest, JsonResponse

#: circusd tells its workers who they are.
WATCHER, WID = os.environ.get("CIRCUS_WATCHER", "?"), os.environ.get("CIRCUS_WID", "?")


def index(request: HttpRequest) -> JsonResponse:
    """Who we are."""
    return JsonResponse({"watcher": WATCHER, "wid": WID, "pid": os.getpid()})


def slow(request: HttpRequest) -> JsonResponse:
    """The same after half a second: something to be in the middle of when a worker is asked to end."""
    time.sleep(0.5)
    return index(request)
