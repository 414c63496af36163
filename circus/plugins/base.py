"""The class that plugins derive from: a loop, a subscription to the events, and a line to the control
endpoint.

The runner constructs and starts it in a process of its own. It must know nothing of watchers or of the
arbiter: all it learns comes in events and replies. zmq, tornado and the client are imported where they are
used, because circusd imports a plugin's module to see that its class exists.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from circus.base.convert import to_bool
from circus.base.logs import logger
from circus.exc import CallError

if TYPE_CHECKING:
    import asyncio

    import zmq
    from tornado.ioloop import IOLoop
    from zmq.eventloop.zmqstream import ZMQStream

    from circus.client import CircusClient
    from circus.plugins.options import PluginTable
    from circus.system.tunnel import Tunnel

#: Prefix of the topics of all events of watchers.
TOPIC = "watcher."


def is_awaitable(result: object) -> TypeGuard[Awaitable[None]]:
    """Whether what a method returned is to be awaited: a coroutine, a task, a future."""
    return hasattr(result, "__await__")


class CircusPlugin:
    """A program that follows the events of a daemon; override :meth:`handle_recv`, and what else is needed.

    :param endpoint: control endpoint of the daemon.
    :param pubsub_endpoint: endpoint on which the daemon publishes its events.
    :param check_delay: seconds between two periodic checks of the daemon.
    :param ssh_server: ``[user@]host[:port]`` through which both endpoints are reached; default: directly.
    :param config: the options of the plugin's section, all of them text, and ``name``.
    :raises OptionError: the table of the class refuses an option.
    :raises ValueError: ``active`` is not a boolean word.

    Source: spec plugins-hooks-streams.md 1.1.
    """

    name = ""
    #: Seconds that :meth:`call` waits for an answer.
    call_timeout: ClassVar[float] = 5.0
    #: Seconds that an asynchronous :meth:`handle_stop` may take.
    stop_timeout: ClassVar[float] = 5.0
    #: The options the class reads from its section; None for a class that reads ``config`` itself.
    option_table: ClassVar[PluginTable | None] = None

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
        self.daemon = True
        self.config = config
        # Before anything is opened, because they may be refused.
        #: The values of all options of :attr:`option_table`; empty without one.
        self.option_values: dict[str, Any] = {} if self.option_table is None else self.option_table.read(config)
        self.active = to_bool(config.get("active", True))
        self.endpoint, self.pubsub_endpoint = endpoint, pubsub_endpoint
        self.check_delay, self.ssh_server = check_delay, ssh_server
        self._id = os.urandom(16).hex().encode()
        self.running = False
        self._caller: CircusClient | None = None
        self._tunnel: Tunnel | None = None
        #: handle_init is under way; an asynchronous one as a task; it has ended, and handle_stop was not called yet.
        self._starting = self._owes_stop = self._loop_closed = False
        self._initializing: asyncio.Future[None] | None = None
        # Kept off the start path of circusd, see the module's docstring.
        from tornado.ioloop import IOLoop

        self.loop: IOLoop = IOLoop(make_current=False)
        self._asyncio_loop: asyncio.AbstractEventLoop = self.loop.asyncio_loop  # type: ignore[attr-defined]

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run until :meth:`stop` is called; returns when ``handle_stop`` has ended and the sockets are closed.

        :raises ValueError: the plugin is not active.
        """
        import asyncio  # kept off the start path of circusd

        asyncio.set_event_loop(self._asyncio_loop)
        if not self.active:
            raise ValueError("Will not start an inactive plugin")
        try:
            if self._call_init():
                self.initialize()
                self.running = True
                self._run_loop()
        finally:
            self._settle()

    def stop(self) -> None:
        """End a running plugin by way of :meth:`handle_stop`; close the loop of one that has ended.

        While ``handle_init`` is under way it is broken off, and ``handle_stop`` follows.
        """
        if self._starting:
            self._starting = False
            if self._initializing is not None:
                self._initializing.cancel()
        elif self.running:
            self._begin_stop()
        elif not self._asyncio_loop.is_running() and not self._loop_closed:
            self._loop_closed = True
            self.loop.close()

    def _call_init(self) -> bool:
        """Whether to go on: ``handle_init`` is through, and nobody called :meth:`stop` meanwhile."""
        import asyncio  # kept off the start path of circusd

        self._starting = True
        try:
            pending = self.handle_init()
            if is_awaitable(pending):
                self._initializing = asyncio.ensure_future(pending, loop=self._asyncio_loop)
                self._asyncio_loop.run_until_complete(self._initializing)
        except asyncio.CancelledError:
            if self._starting:
                raise  # somebody else's
        finally:
            go_on, self._starting, self._initializing = self._starting, False, None
        self._owes_stop = True
        return go_on

    def _begin_stop(self) -> None:
        self.running = self._owes_stop = False
        self._hear_no_more()
        pending = None
        try:
            pending = self.handle_stop()
        finally:
            if not is_awaitable(pending):
                self.loop.stop()
        if is_awaitable(pending):
            self._stopper = self._asyncio_loop.create_task(self._await_stop(pending))
            self._stopper.add_done_callback(lambda _: self.loop.stop())

    async def _await_stop(self, pending: Awaitable[None]) -> None:
        import asyncio  # kept off the start path of circusd

        try:
            async with asyncio.timeout(self.stop_timeout):
                await pending
        except TimeoutError:
            logger.error("handle_stop of the plugin %r was broken off after %g s", self.name, self.stop_timeout)
        except Exception:
            logger.exception("handle_stop of the plugin %r failed", self.name)

    def _settle(self) -> None:
        """After the loop, however it ended: give back what ``handle_init`` took, end what is still under way."""
        import asyncio  # kept off the start path of circusd

        if self._owes_stop:
            self.running = self._owes_stop = False
            try:
                pending = self.handle_stop()
                if is_awaitable(pending):
                    self._asyncio_loop.run_until_complete(self._await_stop(pending))
            except Exception:
                logger.exception("handle_stop of the plugin %r failed", self.name)
        self._hear_no_more()
        tasks = asyncio.all_tasks(self._asyncio_loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._asyncio_loop.run_until_complete(asyncio.wait(tasks, timeout=self.stop_timeout))
        self._disconnect()

    def _hear_no_more(self) -> None:
        # Nothing comes after handle_stop, which may have given back what handle_recv needs.
        if hasattr(self, "substream") and not self.substream.closed():
            self.substream.stop_on_recv()

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

    # -- what sub-classes override; each may be an ``async def`` ---------------------------------------------

    def handle_init(self) -> Awaitable[None] | None:
        """Prepare timers and the like on ``self.loop``; there is no connection yet. Default: nothing."""
        return None

    def handle_stop(self) -> Awaitable[None] | None:
        """Give back what ``handle_init`` took; the connections still work. Default: nothing.

        An asynchronous one is broken off after ``stop_timeout`` seconds.
        """
        return None

    def handle_recv(self, data: list[Any]) -> Awaitable[None] | None:
        """Take one event; ``data`` is the topic and the JSON payload, see :meth:`split_data`.

        The next event comes when an asynchronous one has ended, so their order is kept.
        """
        raise NotImplementedError()

    def _deliver(self, data: list[bytes]) -> None:
        # An exception must not leave the callback of a zmq stream: it can miss the wake-up for events still
        # queued.
        try:
            pending = self.handle_recv(data)
        except Exception:
            self._tell_failure(data)
            return
        if is_awaitable(pending):
            # Nothing more is read meanwhile: what is waiting stays with ZeroMQ, which bounds it.
            self.substream.stop_on_recv()
            self._delivery = self._asyncio_loop.create_task(self._await_event(pending, data))

    async def _await_event(self, pending: Awaitable[None], data: list[bytes]) -> None:
        try:
            await pending
        except Exception:
            self._tell_failure(data)
        if self.running and not self.substream.closed():
            self.substream.on_recv(self._deliver)

    def _tell_failure(self, data: list[bytes]) -> None:
        logger.exception("plugin %r failed on the event %r", self.name, data[0])

    # -- talking to the daemon -------------------------------------------------------------------------------

    def call(self, command: str, **props: Any) -> dict[str, Any]:
        """Send a command and wait for its reply, at most ``call_timeout`` seconds; the loop stands still
        meanwhile.

        :return: the reply, which may be one that reports an error.
        :raises CallError: no answer in time, no connection yet, or ``props`` that JSON cannot express.
        """
        from circus.client import make_message  # kept off the start path of circusd

        reply: dict[str, Any] = self._connected(command).call(self._signed(make_message(command, **props)))
        return reply

    def cast(self, command: str, **props: Any) -> None:
        """Send a command that the daemon executes without any reply.

        :raises CallError: no connection yet, too much unsent, or ``props`` that JSON cannot express.
        """
        from circus.client import cast_message  # kept off the start path of circusd

        self._connected(command).call(self._signed(cast_message(command, **props)))

    def _signed(self, message: dict[str, Any]) -> dict[str, Any]:
        """With who asks: it becomes part of the cause that the daemon tells."""
        return {**message, "caller": str(self.config.get("name") or self.name or type(self).__name__)}

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
