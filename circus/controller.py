"""The control endpoint: requests come in, commands are executed, answers go out (spec wire.md 1 to 3).

Built and started by :class:`circus.arbiter.Arbiter` (spec library.md 6). It knows when and how a request is
answered; what a command does is the command's business, what the bytes mean that of
:mod:`circus.model.messages`, and how they travel that of :mod:`circus.system.router`. Whatever arrives, no
exception leaves a callback of this module, and every request that wants an answer gets one.
"""

from __future__ import annotations

import logging

from circus.base.logs import logger
from circus.base.tasks import unwrap_loop
from circus.commands import find_command, get_commands
from circus.exc import ConflictError, MessageError
from circus.model.messages import (
    BAD_MSG_DATA_ERROR,
    COMMAND_ERROR,
    MESSAGE_ERROR,
    OS_ERROR,
    UNKNOWN_COMMAND,
    RequestError,
    decode,
    encode,
    error,
    ok,
    quote,
    split_frames,
)
from circus.sighandler import SysHandler
from circus.system.reserve import with_reserve
from circus.system.router import RouterSocket
from circus.system.transport import bind_endpoint, create_udp_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from circus.commands.base import Command
    from circus.model.messages import Request, Route

#: Seconds after the start at which the commands that end workers are loaded, when the first workers run.
LOAD_AFTER = 0.1
#: Datagrams of discovery answered in one turn.
DATAGRAMS = 16


class Controller:
    """The control endpoint of one arbiter.

    :param endpoint: where to listen; None for nowhere.
    :param multicast_endpoint: ``udp://group:port`` where discovery is answered, or None.
    :param context: the zmq context; None for the global one.
    :param loop: an object with asyncio's method names, or a Tornado IOLoop.
    :param arbiter: what commands act on.
    :param check_delay: seconds between calls of ``arbiter.manage_watchers``; 0 or less for none.
    :param endpoint_owner: user who shall own the socket file of an ``ipc`` endpoint.
    """

    def __init__(
        self,
        endpoint: str | None,
        multicast_endpoint: str | None,
        context: Any,
        loop: Any,
        arbiter: Any,
        check_delay: float = 1.0,
        endpoint_owner: str | None = None,
    ) -> None:
        self.endpoint, self.multicast_endpoint = endpoint, multicast_endpoint
        self.context, self.loop, self.arbiter = context, loop, arbiter
        self.endpoint_owner = endpoint_owner
        #: In milliseconds, as it has always been.
        self.check_delay = check_delay * 1000
        self.started = False
        self.caller: PeriodicCheck | None = None
        #: The listening socket, when circusd has bound it already (a ``BoundEndpoint``, which circusd
        #: unlinks).
        self.bound: Any = None
        #: The open socket, when a daemon that starts over in its process goes on with it.
        self.inherited: Any = None
        self.ctrl_socket: Any = None
        self.stream: Any = None  # there was a ZMQStream here
        self.udp_socket: Any = None
        self.sys_hdl: Any = None
        self._router: RouterSocket | None = None
        self._own_bound: Any = None
        self._commands: dict[str, Command] = {}
        #: Requests that wait for the end of an operation, with that operation, in the order of their arrival.
        self._pending: dict[int, tuple[Any, Request, Command, Route | None]] = {}
        self._last_key = 0
        self._init_syshandler()

    @property
    def commands(self) -> dict[str, Command]:
        """All commands by name; asking for it loads them."""
        for name, command in get_commands().items():
            self._commands.setdefault(name, command)
        return self._commands

    # -- up and down ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, answer, and call the periodic check.

        :raises OSError: the endpoint cannot be bound.
        """
        self.initialize()
        self.set_check_delay(self.check_delay / 1000)
        self.started = True
        if self.endpoint is not None:
            unwrap_loop(self.loop).call_later(LOAD_AFTER, self._load_endings)

    def _load_endings(self) -> None:
        # Not only sooner when they are asked for: a daemon short of descriptors or files must be able to end.
        for name in ("stop", "quit"):
            self._find(name)

    def initialize(self) -> None:
        """Open the sockets. :raises OSError: the control endpoint cannot be bound."""
        if self.endpoint is not None:
            self._init_socket()
            self._init_stream()
        wanted = self.multicast_endpoint and str(self.multicast_endpoint).lower() != "none"
        if wanted and getattr(self.arbiter, "multicast_answers", True):
            self._init_multicast_endpoint()

    def set_check_delay(self, delay: float) -> None:
        """Call the periodic check every ``delay`` seconds from now on; 0 or less: never."""
        if self.caller is not None:
            self.caller.stop()
            self.caller = None
        self.check_delay = delay * 1000
        if delay > 0:
            self.caller = PeriodicCheck(unwrap_loop(self.loop), self.arbiter, delay)
            self.caller.start()

    def stop(self) -> None:
        """Answer what is still open, close everything, give the signals back. May be called again."""
        if self.caller is not None:
            self.caller.stop()
            self.caller = None
        self._answer_pending()
        if self._router is not None:
            self._router.close()
            self._router = self.ctrl_socket = None
        if self._own_bound is not None:
            self._own_bound.unlink()
            self._own_bound = None
        if self.udp_socket is not None:
            unwrap_loop(self.loop).remove_reader(self.udp_socket.fileno())
            self.udp_socket.close()
            self.udp_socket = None
        if self.sys_hdl is not None:
            self.sys_hdl.stop()
        self.started = False

    def surrender(self) -> Any:
        """Answer what is still open, and give away the control socket with all that waits in it; None without."""
        self._answer_pending()
        self.ctrl_socket = None
        return self._router.surrender() if self._router is not None else None

    def _init_syshandler(self) -> None:
        early = getattr(self.arbiter, "sys_hdl", None)  # circusd takes the signals before it has a controller
        self.sys_hdl = early if isinstance(early, SysHandler) else SysHandler(self)

    def _init_socket(self) -> None:
        if self.context is None:
            import zmq  # kept off the start path

            self.context = zmq.Context.instance()
        router = RouterSocket(unwrap_loop(self.loop), self.handle_message)
        if self.inherited is not None:
            router.take_over(self.inherited)
            self.inherited = None
        else:
            router.bind(self.context, str(self.endpoint), self.bound or self._bind_early())
        self._router, self.ctrl_socket = router, router.socket

    def _bind_early(self) -> Any:
        """The endpoint, bound by ourselves; None for what only ZeroMQ can bind.

        It gives socket files their mode and owner, and never takes one over that somebody listens at.
        """
        import os  # only for embedding programs: circusd has bound before

        from circus.base.convert import to_uid

        endpoint = str(self.endpoint)
        owner = to_uid(self.endpoint_owner) if self.endpoint_owner and endpoint.startswith("ipc://") else None
        try:
            self._own_bound = bind_endpoint(endpoint, owner)
        except OSError as failure:
            reason = os.strerror(failure.errno) if failure.errno else str(failure)
            raise OSError(failure.errno, f"{reason} (addr={endpoint!r})") from failure
        return self._own_bound

    def _init_stream(self) -> None:
        """Begin to read."""
        assert self._router is not None
        self._router.start()

    # -- requests ---------------------------------------------------------------------------------------

    def handle_message(self, raw_msg: Sequence[bytes]) -> None:
        """One message of the ROUTER socket, as frames; what is not a request of one frame is dropped."""
        envelope = split_frames(raw_msg)
        if envelope is None:
            logger.warning("got unexpected message %s", quote(raw_msg))
            return
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("got message %s", envelope[1])
        self.dispatch(envelope)

    def dispatch(self, job: tuple[Route | None, bytes]) -> None:
        """Execute one request and answer it.

        :param job: where the answer goes, and the JSON of the request. None for nowhere: then failures are
            logged.
        """
        cid, msg = job
        try:
            request = decode(msg)
        except RequestError as bad:
            self.send_error(bad.id, cid, msg, bad.reason, cast=bad.cast, errno=bad.errno)
            return
        try:
            command = self._commands.get(request.command) or self._find(request.command)
            if command is None:
                reason = f"unknown command: {quote(request.command)}"
                self.send_error(request.id, cid, msg, reason, cast=request.cast, errno=UNKNOWN_COMMAND)
                return
            command.validate(request.properties)
            result = command.execute(self.arbiter, request.properties)
            if result is None or type(result) is dict:
                self.send_ok(request.id, cid, msg, result, request.cast)
            elif hasattr(result, "add_done_callback") or hasattr(result, "cr_await"):
                self._follow(result, request, command, cid)
            else:
                self.send_response(request.id, cid, msg, _reply_of(result), request.cast)
        except (Exception, SystemExit) as failure:  # a border: foreign code must not end the daemon
            self.send_response(request.id, cid, msg, _refusal(failure, request), request.cast)

    def _find(self, name: str) -> Command | None:
        name = name.lower()
        command = self._commands.get(name)
        if command is None:
            try:
                command = self._commands[name] = with_reserve(find_command, name)
            except KeyError:
                return None
        return command

    # -- operations that take long ----------------------------------------------------------------------

    def _follow(self, result: Any, request: Request, command: Command, cid: Route | None) -> None:
        """Answer when the operation has ended to a client that waits, else now."""
        if hasattr(result, "cr_await"):  # a command of a third party, written as a coroutine function
            import asyncio

            result = asyncio.ensure_future(result)
        if request.waiting and not request.cast:
            self._last_key = key = self._last_key + 1
            self._pending[key] = (result, request, command, cid)
            self._when_done(result, lambda _done: self._settled(key))
            return
        if result.done():
            if not result.cancelled() and result.exception() is not None:
                raise result.exception()
        else:
            self._when_done(result, _log_failure)
        self.send_ok(request.id, cid, request.raw, None, request.cast)

    def _when_done(self, future: Any, callback: Callable[[Any], None]) -> None:
        if hasattr(future, "get_loop"):
            future.add_done_callback(callback)
        else:  # a future of a thread pool tells from its own thread
            loop = unwrap_loop(self.loop)
            future.add_done_callback(lambda done: loop.call_soon_threadsafe(callback, done))

    def _settled(self, key: int) -> None:
        if key not in self._pending:
            return  # answered when the endpoint was closed
        future, request, _command, cid = self._pending.pop(key)
        self.send_response(request.id, cid, request.raw, _outcome(future))

    def _answer_pending(self) -> None:
        """The endpoint closes: nobody shall wait for an answer that cannot come any more."""
        for key, (future, request, command, cid) in list(self._pending.items()):
            if future.done():
                self._settled(key)
                continue
            del self._pending[key]
            ended = command.ends_daemon(request.properties)
            reply = ok() if ended else _failed("the daemon has ended")
            self.send_response(request.id, cid, request.raw, reply)

    # -- replies ----------------------------------------------------------------------------------------

    def send_ok(
        self, mid: Any, cid: Route | None, msg: bytes, props: dict[str, Any] | None = None, cast: bool = False
    ) -> None:
        """Answer that it went well; ``props`` are the fields of the reply."""
        self.send_response(mid, cid, msg, ok(props), cast)

    def send_error(
        self,
        mid: Any,
        cid: Route | None,
        msg: bytes,
        reason: str = "unknown",
        tb: str | None = None,
        cast: bool = False,
        errno: int = 0,
    ) -> None:
        """Answer that it went wrong, and why."""
        self.send_response(mid, cid, msg, error(reason, tb, errno), cast)

    def send_response(
        self, mid: Any, cid: Route | None, msg: bytes, resp: dict[str, Any], cast: bool = False
    ) -> None:
        """Send one reply. Nothing is sent for a cast; a request of our own has its failure logged."""
        if cast or cid is None:
            if "errno" in resp:  # as only errors have
                level = logging.DEBUG if cast else logging.ERROR
                logger.log(level, "%s: %s", quote(msg), resp.get("reason"))
            return
        resp["id"] = mid
        payload = encode(resp)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("sending response %s", payload)
        if self._router is not None:
            self._router.send(cid, payload)

    # -- discovery --------------------------------------------------------------------------------------

    def _init_multicast_endpoint(self) -> None:
        """Answer discovery; without it the daemon is as good, so a failure is a warning only."""
        try:
            self.udp_socket = create_udp_socket(*_multicast_address(self.multicast_endpoint))
            self.udp_socket.setblocking(False)
            fd = self.udp_socket.fileno()
            unwrap_loop(self.loop).add_reader(fd, self.handle_autodiscover_message, fd, 1)
        except (OSError, ValueError) as failure:
            self.udp_socket = None
            logger.warning(
                "Multicast discovery is disabled, there was an error during udp socket creation. (%s)",
                failure,
            )

    def handle_autodiscover_message(self, fd_no: Any = None, events: Any = None) -> None:
        """Tell whoever sent a datagram, whatever it says, where the control endpoint is."""
        answer = encode({"endpoint": self.endpoint})
        for _ in range(DATAGRAMS):
            try:
                _, sender = self.udp_socket.recvfrom(1024)
                self.udp_socket.sendto(answer, sender)
            except BlockingIOError:
                return
            except OSError as failure:  # such as an ICMP error that an earlier answer has caused
                logger.debug("discovery: %s", failure)
                return


class PeriodicCheck:
    """Calls ``arbiter.manage_watchers()`` every ``delay`` seconds, never twice at once.

    That something excludes the check at the moment is no news: it is tried again at the next tick.
    """

    def __init__(self, loop: Any, arbiter: Any, delay: float) -> None:
        self._loop, self._arbiter, self._delay = loop, arbiter, delay
        self._timer: Any = None
        self._running: Any = None

    def start(self) -> None:
        """Begin; the first call comes after one delay."""
        self._timer = self._loop.call_later(self._delay, self._tick)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._timer is not None

    def _tick(self) -> None:
        self.start()
        if self._running is not None and not self._running.done():
            return
        self._running = None
        try:
            running = self._arbiter.manage_watchers()
        except ConflictError:
            return
        except Exception:  # a border: the next tick shall come
            logger.exception("the periodic check failed")
            return
        if hasattr(running, "add_done_callback"):
            self._running = running
            running.add_done_callback(_log_failure)


# -- what replies say -----------------------------------------------------------------------------------


def _reply_of(result: Any) -> dict[str, Any]:
    """The reply for what a command returned or an operation ended with."""
    if result is None or isinstance(result, dict):
        return ok(result)
    if isinstance(result, list):
        return ok({"results": result})
    return _failed(f"{type(result).__name__} is not an object")


def _failed(cause: str) -> dict[str, Any]:
    """The reply for an operation that did not come to its end; ``cause`` is a key that older daemons have
    not."""
    return {**error("server error", errno=BAD_MSG_DATA_ERROR), "cause": cause}


def _plain_refusal(failure: BaseException | None) -> dict[str, Any] | None:
    """The reply for failures whose text alone tells all, before or after the operation began."""
    if isinstance(failure, MessageError):
        return error(_text(failure), errno=MESSAGE_ERROR)
    if isinstance(failure, ConflictError):
        return error(_text(failure), errno=COMMAND_ERROR)
    return None


def _refusal(failure: BaseException, request: Request) -> dict[str, Any]:
    """The reply for a command that raised."""
    reply = _plain_refusal(failure)
    if reply is not None:
        return reply
    if isinstance(failure, OSError):
        return error(_text(failure), errno=OS_ERROR)
    import traceback  # kept off the start path

    trace = "".join(traceback.format_exception(failure))
    return error(f"command {quote(request.raw)}: {_text(failure)}", trace, COMMAND_ERROR)


def _outcome(future: Any) -> dict[str, Any]:
    """The reply for an operation that has ended and was waited for."""
    if future.cancelled():
        return _failed("the operation was cancelled")
    failure = future.exception()
    if failure is None:
        return _reply_of(future.result())
    reply = _plain_refusal(failure)
    if reply is None:
        _log_failure(future)
        reply = _failed(_text(failure))
    return reply


def _log_failure(future: Any) -> None:
    """For operations that nobody waits for."""
    failure = None if future.cancelled() else future.exception()
    if failure is not None and not isinstance(failure, ConflictError):
        logger.error("exception %s caught", _text(failure))


def _text(failure: BaseException) -> str:
    """What an exception says; its type when it says nothing, or cannot."""
    try:
        return str(failure) or type(failure).__name__
    except Exception:  # foreign exceptions run foreign code
        return type(failure).__name__


def _multicast_address(endpoint: Any) -> tuple[str, str]:
    """Group and port of ``udp://group:port``; ``create_udp_socket`` says what is wrong with them."""
    _, _, place = str(endpoint).rpartition("://")
    group, _, port = place.rstrip("/").rpartition(":")
    return group, port
