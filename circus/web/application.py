"""The routes of the console, as a Tornado application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.web import Application, url

from circus.web.api import api_routes
from circus.web.door import NothingHere
from circus.web.metrics import Metrics
from circus.web.oldroutes import old_routes
from circus.web.pages import Health, Page, Readiness, Static
from circus.web.pagesocket import PageSocket

if TYPE_CHECKING:
    from circus.web.console import Console

#: Addresses of the page; what each shows is decided in the browser.
_PAGES = (r"/?", r"/(?:login|connect|logs|events|sockets|plugins|daemon|add|reload)/?", r"/watcher/[^/]+/[^/]+")
_LARGEST_WISH = 64 << 10


class ConsoleApplication(Application):
    """The application.

    :param console: what all request classes get.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        prefix = console.settings.url_prefix
        known: dict[str, Any] = {"console": console}
        routes = [
            *((path, Page) for path in _PAGES),
            (r"/static/(.+)", Static),
            (r"/healthz", Health),
            (r"/readyz", Readiness),
            (r"/metrics", Metrics),
            (r"/ws", PageSocket),
        ]
        everything = [
            *(url(prefix + path, kind, {**known, **more}) for path, kind, more in old_routes()),
            *(url(prefix + path, kind, known) for path, kind in routes),
            *(url(prefix + path, kind, {**known, **more}) for path, kind, more in api_routes()),
        ]
        super().__init__(
            everything,
            default_handler_class=NothingHere,
            default_handler_args=known,
            log_function=lambda handler: None,
            websocket_ping_interval=20,
            websocket_ping_timeout=20,
            websocket_max_message_size=_LARGEST_WISH,
            autoreload=False,
            serve_traceback=False,
        )
