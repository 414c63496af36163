"""The class that plugins derive from: a loop, a subscription to the events, and a line to the control
endpoint.

The runner constructs and starts it in a process of its own. It must know nothing of watchers or of the
arbiter: all it learns comes in events and replies. zmq, tornado and the client are imported where they are
used, because circusd may import a plugin's module only to see that its class exists.
"""

from __future__ import annotations

import errno
import json
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from circus.base.convert import to_bool
from circus.base.logs import logger
from circus.exc import CallError

if TYPE_CHECKING:
    import zmq
    from tornado.ioloop import IOLoop
    from zmq.eventloop.zmqstream import ZMQStream

    from circus.client import CircusClient
    from circus.system.tunnel import Tunnel

#: Prefix of the topics of all events of watchers.
TOPIC = "watcher."


class CircusPlugin:
    """A program that follows the events of a daemon; override :meth:`handle_recv`, and what else is needed.

    :param endpoint: control endpoint of the daemon.
    :param pubsub_endpoint: endpoint on which the daemon publishes its events.
    :param check_delay: seconds between two periodic checks of the daemon.
    :param ssh_server: ``[user@]host[:port]`` through which both endpoints are reached; default: directly.
    :param config: the options of the plugin's section, all of them text, and ``name``.
    :raises ValueError: ``active`` is not a boolean word.

    Source: spec plugins-hooks-streams.md 1.1.
    """

    name = ""
    #: Seconds that :meth:`call` waits for an answer.
    call_timeout: ClassVar[float] = 5.0

    # Made by initialize():
    context: zmq.Context[Any]
    client: zmq.Socket[bytes]
    sub_socket: zmq.Socket[bytes]
    substream: ZMQStream

    def __init__(
        self,
        endpoint: str,
        pubsub_endpoint: str,
        check_delay: float,
        ssh_server: str | None = None,
        **config: Any,
    ) -> None:
        # Kept off the start path of circusd, see the module's docstring.
        from tornado.ioloop import IOLoop

        self.daemon = True
        self.config = config
        self.active = to_bool(config.get("active", True))
        self.endpoint, self.pubsub_endpoint = endpoint, pubsub_endpoint
        self.check_delay, self.ssh_server = check_delay, ssh_server
        self._id = uuid.uuid4().hex.encode()
        self.running = False
        self._caller: CircusClient | None = None
        self._tunnel: Tunnel | None = None
        self.loop: IOLoop = IOLoop(make_current=False)
        self._loop_closed = False

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run until :meth:`stop` is called; returns when the loop has ended and the sockets are closed.

        :raises ValueError: the plugin is not active.
        """
        import asyncio  # kept off the start path of circusd

        asyncio.set_event_loop(self.loop.asyncio_loop)  # type: ignore[attr-defined]
        if not self.active:
            raise ValueError("Will not start an inactive plugin")
        self.handle_init()
        try:
            self.initialize()
            self.running = True
            self._run_loop()
        finally:
            self._disconnect()

    def stop(self) -> None:
        """End a running plugin by way of :meth:`handle_stop`; close the loop of one that has ended."""
        if not self.running:
            if not self._loop_closed:
                self._loop_closed = True
                self.loop.close()
            return
        self.running = False
        try:
            self.handle_stop()
        finally:
            self.loop.stop()

    def initialize(self) -> None:
        """Connect to both endpoints and subscribe; called by :meth:`start` after ``handle_init``."""
        import zmq  # kept off the start path of circusd
        from zmq.eventloop.zmqstream import ZMQStream

        from circus.client import CircusClient
        from circus.system.transport import get_connection

        self.context = zmq.Context()
        self._caller = CircusClient(self.context, self.endpoint, self.call_timeout, self.ssh_server)
        self.client = self._caller.socket
        self.sub_socket = self.context.socket(zmq.SUB)
        self.sub_socket.setsockopt(zmq.LINGER, 0)
        self.sub_socket.setsockopt(zmq.SUBSCRIBE, TOPIC.encode())
        self._tunnel = get_connection(self.sub_socket, self.pubsub_endpoint, self.ssh_server)
        self.substream = ZMQStream(self.sub_socket, self.loop)
        self.substream.on_recv(self._deliver)

    def _run_loop(self) -> None:
        import zmq  # kept off the start path of circusd

        while True:
            try:
                self.loop.start()
            except zmq.ZMQError as error:
                if error.errno == errno.EINTR:
                    continue
                if error.errno != zmq.ETERM:
                    raise
            return

    def _disconnect(self) -> None:
        if hasattr(self, "substream"):
            self.substream.close()
        if self._tunnel is not None:
            self._tunnel.close()
        if self._caller is not None:
            self._caller.stop()
            self._caller = None
        if hasattr(self, "context"):
            self.context.destroy()

    # -- what sub-classes override ---------------------------------------------------------------------------

    def handle_init(self) -> None:
        """Prepare timers and the like on ``self.loop``; there is no connection yet. Default: nothing."""

    def handle_stop(self) -> None:
        """Give back what ``handle_init`` took; the connections still work. Default: nothing."""

    def handle_recv(self, data: list[bytes]) -> None:
        """Take one event; ``data`` is the topic and the JSON payload, see :meth:`split_data`."""
        raise NotImplementedError()

    def _deliver(self, data: list[bytes]) -> None:
        # An exception must not leave the callback of a zmq stream: it can miss the wake-up for events still
        # queued.
        try:
            self.handle_recv(data)
        except Exception:
            logger.exception("plugin %r failed on the event %r", self.name, data[0])

    # -- talking to the daemon -------------------------------------------------------------------------------

    def call(self, command: str, **props: Any) -> dict[str, Any]:
        """Send a command and wait for its reply, at most ``call_timeout`` seconds; the loop stands still
        meanwhile.

        :return: the reply, which may be one that reports an error.
        :raises CallError: no answer in time, no connection yet, or ``props`` that JSON cannot express.
        """
        reply: dict[str, Any] = self._connected(command).send_message(command, **props)
        return reply

    def cast(self, command: str, **props: Any) -> None:
        """Send a command that the daemon executes without any reply.

        :raises CallError: no connection yet, too much unsent, or ``props`` that JSON cannot express.
        """
        from circus.client import cast_message  # kept off the start path of circusd

        self._connected(command).call(cast_message(command, **props))

    def _connected(self, command: str) -> CircusClient:
        if self._caller is None:
            raise CallError(f"no connection for {command!r}: there is one from after handle_init until the end")
        return self._caller

    # -- reading events --------------------------------------------------------------------------------------

    @staticmethod
    def split_data(data: list[Any]) -> tuple[str, str, Any]:
        """The watcher, the event's name and the payload as received, of one event.

        The watcher is what stands between the first and the last dot of the topic, so its name may have dots.
        Its blanks have become underscores, its letters lower case.
        """
        topic, payload = data
        if isinstance(topic, bytes):
            topic = topic.decode()
        watcher, _, action = topic.partition(".")[2].rpartition(".")
        return watcher, action, payload

    @staticmethod
    def load_message(msg: str | bytes) -> Any:
        """The payload of an event, out of its JSON."""
        return json.loads(msg)
