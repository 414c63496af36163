"""The two doors of a daemon: its control endpoint and its event endpoint, from binding to the hand-over.

A base class of :class:`circus.arbiter.Arbiter`. Endpoints are bound as plain sockets before anything else, so that
errors are known before a worker runs, and handed to zmq when it is there; a full restart hands them on.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger
from circus.exc import CircusError
from circus.system.kept import KeptEndpoints

if TYPE_CHECKING:
    from circus.journal import Journal
    from circus.system.bootloop import BootLoop
    from circus.system.bus import Bus


class Endpoints:
    """Binds, attaches, keeps and lets go of the control and event endpoints."""

    endpoint: str | None
    pubsub_endpoint: str | None
    endpoint_owner: str | None
    bus: Bus
    journal: Journal
    kept: KeptEndpoints | None
    sys_hdl: Any
    _boot: BootLoop
    _bound: dict[str, Any]
    _ctrl: Any
    _evpub: Any
    _inherited: KeptEndpoints | None
    _own_context: bool
    _provided_loop: bool
    _zmq: Any

    @property
    def ctrl(self) -> Any:
        """The controller (see the arbiter)."""
        raise NotImplementedError

    def _bind_endpoints(self) -> None:
        """Take both endpoints as plain sockets now, so that errors are known and zmq can come later."""
        from circus.system.transport import bind_endpoint

        self._warn_of_open_doors()
        owner = None
        if self.endpoint_owner_mode:
            from circus.base.convert import to_uid

            owner = to_uid(str(self.endpoint_owner))
        for which, endpoint in (("pubsub", self.pubsub_endpoint), ("control", self.endpoint)):
            if endpoint is None or which in self._bound:
                continue
            try:
                self._bound[which] = bind_endpoint(endpoint, owner if which == "control" else None)
            except OSError as error:
                text = f"{os.strerror(error.errno) if error.errno else error} (addr={endpoint!r})"
                raise OSError(error.errno, text) from error

    def _warn_of_open_doors(self) -> None:
        """Whoever reaches the control endpoint can run any command as the user of this daemon: say so (decision 14)."""
        from circus.system.endpoint import parse_endpoint

        for endpoint in (self.endpoint, self.pubsub_endpoint):
            if not endpoint or not endpoint.startswith("tcp://"):
                continue
            with contextlib.suppress(CircusError):
                host = parse_endpoint(endpoint).host
                if host not in ("localhost", "::1") and not host.startswith("127."):
                    logger.warning("%s can be reached from other machines, and there is no authentication: whoever "
                                   "connects controls this daemon. Bind it to 127.0.0.1 and use ssh, or use ipc://",
                                   endpoint)
        if self.endpoint and self.endpoint.startswith("tcp://") and hasattr(os, "geteuid") and os.geteuid() == 0:
            logger.warning("running as root with the control endpoint %s: every local user who connects to it can run "
                           "commands as root; ipc:// endpoints are private", self.endpoint)

    def inherit(self, kept: KeptEndpoints) -> None:
        """Go on with the endpoints of the arbiter before, as far as they are still the same; give up the others."""
        self._zmq, self._own_context = kept.context, True
        self._inherited = kept
        if kept.journal is not None:
            self.journal = kept.journal
        for which, before, now in (
            ("control", kept.endpoint, self.endpoint), ("pubsub", kept.pubsub_endpoint, self.pubsub_endpoint),
        ):
            if before == now and kept.bound.get(which) is not None:
                self._bound[which] = kept.bound[which]
            else:
                kept.give_up(which)

    def _keep_endpoints(self) -> None:
        """Leave the endpoints open for the arbiter that follows."""
        if self._ctrl is None or not self._own_context or self._provided_loop:
            return
        control = self._ctrl.surrender()
        publisher, topics = self.bus.surrender()
        bound, self._bound = self._bound, {}
        self.kept = KeptEndpoints(
            self._zmq, self.endpoint, self.pubsub_endpoint, control, publisher, topics, bound,
            self.journal,
        )
        self._zmq, self._own_context = None, False

    def _forgo_restart(self) -> None:
        """After start() said "restart", and its caller stops instead: nobody takes endpoints and signals over."""
        kept, self.kept = self.kept, None
        if kept is not None:
            kept.give_up("control")
            kept.give_up("pubsub")
            kept.context.destroy(linger=0)
        if self.sys_hdl is not None:
            self.sys_hdl.release()

    def _attach_inherited(self) -> None:
        kept, self._inherited = self._inherited, None
        if kept is None:
            return
        if "pubsub" in kept.bound:
            self._evpub = kept.publisher
            self.bus.attach(kept.publisher, kept.topics)
        if "control" in kept.bound:
            self.ctrl.inherited = kept.control

    def _attach(self) -> None:
        """Hand the endpoints to zmq: from here on commands are answered and events published."""
        import zmq  # kept off the start path

        from circus.system.zmqcontext import plain_context

        context = plain_context(self.context)
        if self.pubsub_endpoint is not None and self._evpub is None:
            publisher = context.socket(zmq.XPUB)  # a PUB socket that tells whether anybody listens
            publisher.linger = 0
            bound = self._bound.get("pubsub")
            if bound is not None:
                bound.attach(publisher)
            else:
                publisher.bind(self.pubsub_endpoint)
            self.evpub_socket = publisher
        self.ctrl.context = context
        self.ctrl.bound = self._bound.get("control")
        self.ctrl.start()

    def _drop_context(self) -> None:
        if self._own_context:
            self._zmq.destroy(linger=500)
            self._zmq, self._own_context = None, False

    @property
    def context(self) -> Any:
        """The zmq context."""
        if self._zmq is None:
            import zmq  # kept off the start path

            self._zmq = zmq.Context()
            self._own_context = True
        return self._zmq

    @property
    def evpub_socket(self) -> Any:
        """The PUB socket; None before :meth:`initialize`."""
        return self._evpub

    @evpub_socket.setter
    def evpub_socket(self, sock: Any) -> None:
        self._evpub = sock
        self.bus.attach(sock)

    @property
    def endpoint_owner_mode(self) -> bool:
        """True when the control endpoint is a file given to ``endpoint_owner``."""
        return bool(self.endpoint_owner) and str(self.endpoint).startswith("ipc://")
