"""The console as one object: everything that requests and live pages share. Made by the program, closed by it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus.model.messages import clean_caller
from circus.web.assets import Assets
from circus.web.audit import Audit
from circus.web.discovery import look_around
from circus.web.endpoints import Daemons
from circus.web.live import Hub
from circus.web.notices import Notices
from circus.web.security import HostPolicy, Origin, Proxies
from circus.web.sessions import Sessions
from circus.web.throttle import Throttle
from circus.web.tokens import Signer, SpentIds, read_secret
from circus.web.users import Users

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

    from circus.web.pagesocket import PageSocket
    from circus.web.sessions import Identity
    from circus.web.settings import Settings

STATIC = Path(__file__).parent / "static"


def make_sessions(settings: Settings) -> Sessions:
    """The sessions of a console with these settings, whether it runs or not."""
    signer = Signer(read_secret(settings.state))
    spent = SpentIds(settings.state / "spent", time.time)
    return Sessions(
        signer, Users(settings.users), spent, time.time, settings.session_lifetime, is_open=settings.auth == "none"
    )


class Console:
    """What there is one of.

    :param settings: what it was told.
    :raises ValueError: a trusted proxy is no network.
    :raises OSError: the audit log cannot be opened.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sessions = make_sessions(settings)
        self.users = self.sessions.users
        self.users.all()  # what is wrong with it shall be known now
        self.throttle = Throttle()
        #: Password checks take a core for some time, so there is one at a time.
        self.checking, self.checks_waiting = asyncio.Semaphore(1), 0
        self.audit = Audit(settings.audit_log)
        self.hosts = HostPolicy([*settings.trusted_hosts, settings.host, socket.gethostname()])
        self.assets = Assets(STATIC, settings.url_prefix)
        self.notices = Notices()
        self.daemons = Daemons(self._hear)
        self.hub = Hub(self.daemons)
        self.sockets: set[PageSocket] = set()
        #: Set while no request waits for its answer.
        self.idle = asyncio.Event()
        self.idle.set()
        self._under_way = 0
        self._proxies = Proxies(settings.trusted_proxies)
        self._tasks: list[asyncio.Task[Any]] = []

    def _hear(self, daemon: Any, kind: str, data: Any) -> None:
        self.hub.hear(daemon, kind, data)

    def start(self) -> None:
        """Connect to the daemons and begin to tell, on the running loop."""
        settings = self.settings
        for number, endpoint in enumerate(settings.endpoints):
            pubsub, stats = (settings.pubsub, settings.stats) if number == 0 else (None, None)
            self.daemons.add(endpoint, settings.ssh, pubsub=pubsub, stats=stats)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.hub.run(), name="live pages"))
        if settings.multicast:
            looking = look_around(settings.multicast, lambda: bool(self.hub.viewers), self._discovered)
            self._tasks.append(loop.create_task(looking, name="discovery"))

    def _discovered(self, endpoints: list[str]) -> None:
        self.daemons.discovered = endpoints

    async def close(self) -> None:
        """Disconnect from everything."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hub.close()
        await self.daemons.close()
        self.audit.close()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While a request is being answered."""
        self._under_way += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self.idle.set()

    # -- requests -----------------------------------------------------------------------------------------------

    def origin_of(self, request: HTTPServerRequest) -> Origin:
        """Where a request comes from."""
        family = getattr(getattr(request.connection, "context", None), "address_family", None)
        is_local = family not in (socket.AF_INET, socket.AF_INET6)
        return self._proxies.origin("unix" if is_local else request.remote_ip or "", request.protocol, request.headers)

    def sender_of(self, identity: Identity, origin: Origin) -> str:
        """What daemons are told of who asks for something; it becomes part of causes."""
        return clean_caller(f"circus-httpd {identity.user}@{origin.address}")
