"""The arbiter: owns watchers, sockets, the event bus and the control endpoint of one daemon.

:class:`Arbiter` is what ``circusd`` runs and what programs embed (spec library.md 2). It starts watchers by priority,
stops them together, and brings the parts up in the order that gets the first worker running soonest: bind everything,
spawn, and only then load asyncio and zmq (see :mod:`circus.system.bootloop`).
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from circus.base.capabilities import _setproctitle
from circus.base.environ import ENV_EXCEPTIONS as _ENV_EXCEPTIONS
from circus.base.logs import configure_logger, logger
from circus.base.tasks import Ticket, as_future, tornado_view, unwrap_loop, waiting_loop
from circus.endpoints import Endpoints
from circus.engine import Engine
from circus.exc import CircusError, ConflictError
from circus.fleet import Fleet
from circus.journal import Journal
from circus.lookups import ConfigLookups
from circus.ondemand import SocketAlarm
from circus.sockets import CircusSocket, CircusSockets
from circus.synthetic import HTTPD_OPTIONS, httpd_parts, plugin_options, stats_watcher
from circus.system.bootloop import BootLoop
from circus.system.bus import Bus
from circus.system.kept import KeptEndpoints
from circus.system.reserve import empty_reserve, fill_reserve
from circus.watcher import Watcher

if TYPE_CHECKING:
    from circus.model.plan import Plan
    from circus.system.notify import Notifier

__all__ = ["_ENV_EXCEPTIONS", "Arbiter", "ThreadedArbiter"]

#: Allocations between two runs of the garbage collector, per generation: deaths and commands leave no cycles.
GC_THRESHOLD = (5000, 20, 50)
#: Seconds that sinks have at the very end to write what they were given; a sink that is stuck is left.
SINKS_MAY_TAKE = 1.0
#: Seconds of spawning before asyncio is loaded; the rest follows in slices.
BOOT_BUDGET = 0.25


class Arbiter(Endpoints, Fleet, ConfigLookups):
    """Owner of watchers and sockets; parameters and attributes as in spec library.md 2.

    :param watchers: list of :class:`~circus.watcher.Watcher`, kept and appended to.
    :param endpoint: control endpoint; ``pubsub_endpoint``: where events are published.
    :param check_delay: seconds between periodic checks; 0 or less for none.
    :param loop: an asyncio loop or Tornado IOLoop to live on; None to make one in :meth:`start`.
    :raises ImportError: for a plugin that cannot be found.
    """

    def __init__(
        self,
        watchers: list[Watcher],
        endpoint: str | None,
        pubsub_endpoint: str | None,
        check_delay: float = 1.0,
        prereload_fn: Callable[[Any], Any] | None = None,
        context: Any = None,
        loop: Any = None,
        statsd: bool = False,
        stats_endpoint: str | None = None,
        statsd_close_outputs: bool = False,
        multicast_endpoint: str | None = None,
        plugins: Iterable[Mapping[str, Any]] | None = None,
        sockets: Iterable[CircusSocket] | None = None,
        warmup_delay: float = 0,
        httpd: bool = False,
        httpd_host: str = "localhost",
        httpd_port: int = 8080,
        httpd_close_outputs: bool = False,
        debug: bool = False,
        debug_gc: bool = False,
        ssh_server: str | None = None,
        proc_name: str = "circusd",
        pidfile: str | None = None,
        loglevel: str | None = None,
        logoutput: str | None = None,
        loggerconfig: str | None = None,
        fqdn_prefix: str | None = None,
        umask: int | None = None,
        endpoint_owner: str | None = None,
        *,
        stats_interval: float = 1.0,
        metrics_endpoint: str | None = None,
        capture: bool = False,
        capture_size: int = 1 << 16,
        httpd_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.watchers = watchers
        self.endpoint, self.pubsub_endpoint, self.stats_endpoint = endpoint, pubsub_endpoint, stats_endpoint
        self.multicast_endpoint = multicast_endpoint
        self.check_delay, self.prereload_fn, self.warmup_delay = check_delay, prereload_fn, warmup_delay
        self.statsd, self.statsd_close_outputs = statsd, statsd_close_outputs
        self.httpd, self.httpd_host, self.httpd_port = httpd, httpd_host, httpd_port
        self.httpd_close_outputs = httpd_close_outputs
        #: What else [circus] says of the web console, by option.
        self.httpd_options = dict(httpd_options or {})
        self.debug, self.debug_gc, self.ssh_server, self.proc_name = debug, debug_gc, ssh_server, proc_name
        self.pidfile, self.loglevel, self.logoutput, self.loggerconfig = pidfile, loglevel, logoutput, loggerconfig
        self.umask, self.endpoint_owner, self.fqdn_prefix = umask, endpoint_owner, fqdn_prefix
        self.stats_interval, self.metrics_endpoint = float(stats_interval), metrics_endpoint
        self.capture, self.capture_size = capture, int(capture_size)
        self.pid = os.getpid()
        self._fqdn: str | None = None
        self._zmq = context
        self._own_context = False
        self._given_loop = loop
        self._provided_loop = loop is not None
        self._boot = BootLoop()
        if loop is not None:
            self._boot.adopt(unwrap_loop(loop))
            if not hasattr(loop, "handle_callback_exception"):
                loop.handle_callback_exception = self._report_callback
        self.engine = Engine(self._boot, adopt_orphans=self.pid == 1)
        self.bus = Bus(self._boot)
        #: The last events, for those who come later.
        self.journal = Journal()
        self._evpub: Any = None
        self.sockets = CircusSockets(sockets)
        self.alarm = SocketAlarm(self._boot, self.sockets)
        self.stdout_stream = self.stderr_stream = {"class": "StdoutStream"} if debug else None
        self.multicast_answers = bool(multicast_endpoint)
        self.socket_event = False
        self._watchers_names: dict[str, Watcher] = {}
        self._running = self._stopping = self._restarting = False
        self._exclusive_running_command: str | None = None
        self._busy: str | None = None
        self._stop_ticket: Ticket | None = None
        self._closed = Ticket("close")
        self._starting: Ticket | None = None
        self._bound: dict[str, Any] = {}
        self._open = False
        #: The signal handlers, once :meth:`start` has taken the signals.
        self.sys_hdl: Any = None
        #: Called when everything is stopped, before the answer to ``quit`` (circusd gives up its pid file).
        self.farewell: Callable[[], None] | None = None
        #: Is told of reloads and of the end (a :class:`~circus.system.notify.Notifier`); None for nobody.
        self.herald: Notifier | None = None
        #: The endpoints, for the arbiter that follows in this process (full restart).
        self.kept: KeptEndpoints | None = None
        self._inherited: KeptEndpoints | None = None
        #: Removed watchers whose processes have not ended yet.
        self._leaving: set[Watcher] = set()
        #: Watchers whose turn to be started has not come yet, a queue for each group start under way.
        self._queues: list[list[Watcher]] = []
        #: Measures how long the loop is held up (own loop only).
        self.stalls: Any = None
        self._cfg: dict[str, Any] | None = None
        #: What circusd's command line says about logging; it wins over the file.
        self.log_options: dict[str, str | None] = dict.fromkeys(("loglevel", "logoutput", "loggerconfig"))
        self.config_file: str | None = None
        self._add_own_watchers(plugins or ())
        self._ctrl: Any = None
        if loop is not None:
            self._ctrl = self._make_controller()

    # -- construction -------------------------------------------------------------------------------------------

    def _make_controller(self) -> Any:
        from circus.controller import Controller

        return Controller(
            self.endpoint, self.multicast_endpoint, self._zmq, self._boot, self, self.check_delay,
            self.endpoint_owner,
        )

    def _add_own_watchers(self, plugins: Iterable[Mapping[str, Any]]) -> None:
        if self.statsd:
            self.watchers.append(stats_watcher(self))
        elif self.metrics_endpoint:
            logger.warning("metrics_endpoint = %s is without effect: circusd-stats serves it, and statsd is not True",
                           self.metrics_endpoint)
        if self.httpd:
            watcher, sock = httpd_parts(self)
            self.watchers.append(watcher)
            self.sockets[sock.name] = sock
        for plugin in plugins:
            self.watchers.append(self.make_plugin(plugin))

    def make_plugin(self, config: Mapping[str, Any]) -> Watcher:
        """The watcher that runs a plugin; ImportError when its class cannot be found."""
        from circus.model.plugincmd import plugin_command  # kept off the start path

        return Watcher(**plugin_options(self, config, plugin_command))

    @classmethod
    def load_from_config(cls, config_file: str, loop: Any = None) -> Arbiter:
        """Build an arbiter from a configuration file; a watcher or socket that cannot be built is left out, loudly."""
        from circus.config import get_config

        config = get_config(config_file)
        return cls.from_dict(config, config_file, loop)

    @classmethod
    def from_dict(cls, config: dict[str, Any], config_file: str | None = None, loop: Any = None) -> Arbiter:
        """Build an arbiter from what ``get_config`` returned."""
        watchers, sockets = [], []
        for entry in config.get("watchers", ()):
            try:
                watchers.append(Watcher.load_from_config(entry))
            except Exception:  # one bad watcher must not take the others down (spec config.md 5)
                logger.warning("Failed to create watcher %s", entry.get("name"), exc_info=True)
        for entry in config.get("sockets", ()):
            try:
                sockets.append(CircusSocket.load_from_config(entry))
            except Exception:
                logger.warning("Failed to create socket %s", entry.get("name"), exc_info=True)
        names = (
            "check_delay", "endpoint", "pubsub_endpoint", "statsd", "stats_endpoint", "multicast_endpoint",
            "warmup_delay", "httpd", "httpd_host", "httpd_port", "debug", "debug_gc", "pidfile", "loglevel",
            "logoutput", "loggerconfig", "fqdn_prefix", "umask", "endpoint_owner", "statsd_close_outputs",
            "httpd_close_outputs", "stats_interval", "metrics_endpoint", "capture", "capture_size",
        )
        arbiter = cls(
            watchers,
            sockets=sockets,
            plugins=config.get("plugins"),
            loop=loop,
            httpd_options={name: config[name] for name in HTTPD_OPTIONS if config.get(name)},
            **{name: config[name] for name in names if name in config},
        )
        arbiter._cfg, arbiter.config_file = config, config_file
        # UDP discovery answers only when the file asks for it (decision 14); the default is still reported.
        arbiter.multicast_answers = bool(config.get("multicast_endpoint")) and (
            "multicast_endpoint" in getattr(config, "places", ())
        )
        return arbiter

    @property
    def ctrl(self) -> Any:
        """The controller of the control endpoint; made when it is first needed, after the first workers."""
        if self._ctrl is None:
            self._ctrl = self._make_controller()
        return self._ctrl

    # -- facts --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True from start to the end of stop."""
        return self._running

    @property
    def fqdn(self) -> str:
        """The host's full name, with ``fqdn_prefix@`` before it when there is one (asked for on first use: DNS)."""
        if self._fqdn is None:
            name = socket.getfqdn()
            self._fqdn = f"{self.fqdn_prefix}@{name}" if self.fqdn_prefix else name
        return self._fqdn

    @property
    def loop(self) -> Any:
        """The loop given, else a Tornado IOLoop on the daemon's loop (for hooks and old programs).

        Asked for before the start, it is that of the calling thread, which :meth:`start` then runs.
        """
        if self._given_loop is not None:
            return self._given_loop
        loop = tornado_view(self._boot.real)
        if not hasattr(loop, "handle_callback_exception"):
            loop.handle_callback_exception = self._report_callback
        return loop

    @staticmethod
    def _report_callback(callback: Any) -> None:
        logger.error("Exception in callback %r", callback, exc_info=True)

    def get_socket(self, name: str) -> CircusSocket | None:
        """The managed socket of that name, or None."""
        return self.sockets.get(name)

    # -- bringing it up -----------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Take the name, umask, sockets and endpoints; introduce the watchers to all that.

        :raises OSError: when something cannot be bound; everything bound before it is let go.
        """
        _setproctitle(self.proc_name if self.proc_name != "circusd" else "circusd")
        if self.umask is not None:
            os.umask(self.umask)
        try:
            self._bind_endpoints()
            self.sockets.bind_and_listen_all()
            if len(self.sockets):
                logger.info("sockets started")
        except BaseException:
            self.release()
            raise
        for watcher in self.watchers:
            self._introduce(watcher)
        self._open = True

    def start(self, cb: Callable[[Any], Any] | None = None) -> Any:
        """Bring everything up.

        With a loop of its own this blocks until the daemon has stopped and returns whether it is to be restarted;
        ``cb(future)`` is called once when all watchers are started. With a given loop it returns a Future that is
        done when they are.

        :raises OSError: when an endpoint or socket cannot be bound.
        """
        logger.info("Starting master on pid %s", self.pid)
        self.engine.thread = threading.get_ident()
        if not self._open:
            self.initialize()
        self._running = True
        if self._provided_loop:
            self._attach()
            ticket = self._start_watchers(None, boot=True)
            ticket.on_done(lambda _: logger.info("Arbiter now waiting for commands"))
            return as_future(ticket, self._boot.real)
        logger.info("Arbiter now waiting for commands")
        return self._run(cb)

    def _run(self, cb: Callable[[Any], Any] | None) -> bool:
        """The daemon's own main loop."""
        self._take_signals()
        fill_reserve()
        self._attach_inherited()
        ticket = self._start_watchers(None, boot=True)
        self._boot.run_ready(BOOT_BUDGET)
        loop = waiting_loop()  # an embedding program's, which counts on it being run
        theirs = loop is not None
        if loop is None:
            try:
                loop = self._make_loop()  # only now: the first workers are running
            except BaseException:
                self._kill_without_loop()
                raise
        try:
            self._boot.adopt(loop)
            self._attach()
            if cb is not None:
                as_future(ticket, loop).add_done_callback(cb)
            self._loop_stopped = False
            # What is here now stays: the collector need not walk through it again and again, holding up the loop.
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLD)
            if self.stalls is not None:
                self.stalls.restart()  # loading asyncio and zmq is start-up, not a stall
            while not self._loop_stopped:
                loop.run_forever()
        except BaseException:
            logger.exception("the main loop ended; stopping everything at once")
            self._stop_everything_now(loop)
            raise
        finally:
            self.release()
            self._flush_sinks()
            empty_reserve()
            if not theirs:
                import asyncio

                asyncio.set_event_loop(None)
                loop.close()
            self._drop_context()
        return self._restarting

    @staticmethod
    def _flush_sinks() -> None:
        """Last words that are on their way to a sink arrive there; a sink that is stuck is left."""
        shared = sys.modules.get("circus.stream.shared")
        if shared is not None:
            shared.shutdown(SINKS_MAY_TAKE)

    def _runs_foreign_code(self) -> bool:
        """Whether code that is not ours runs in this process and may want TLS from asyncio."""
        if self.prereload_fn is not None or any(watcher.hooks for watcher in self.watchers):
            return True
        streams = (s for watcher in self.watchers for s in (watcher.stdout_stream, watcher.stderr_stream))
        return any(s is not None and not type(s).__module__.startswith("circus.") for s in streams)

    def _take_signals(self) -> None:
        """From the first worker on a signal must not end the daemon and leave it behind."""
        from circus.sighandler import SysHandler

        self.sys_hdl = SysHandler(self)

    _loop_stopped = True

    def _make_loop(self) -> Any:
        """Load asyncio and ZeroMQ. :raises ImportError: one of them is missing or broken."""
        from circus.system.aio import load_asyncio
        from circus.system.stall import StallSelector
        from circus.system.zmqcontext import load_zmq

        asyncio = load_asyncio(tls=self._runs_foreign_code())
        self.stalls = StallSelector()
        load_zmq()  # whoever imports it next gets it as it is then
        loop = asyncio.SelectorEventLoop(self.stalls)
        asyncio.set_event_loop(loop)
        return loop

    def _kill_without_loop(self) -> None:
        """End the first workers, each the leader of a group of its own, when nothing can look after them."""
        for pid in [pid for watcher in self.watchers for pid in watcher.processes]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _stop_everything_now(self, loop: Any) -> None:
        with contextlib.suppress(Exception):
            loop.run_until_complete(self._emergency_stop())

    def start_io_loop(self) -> None:
        """Run the loop until :meth:`stop` (kept for embedding programs)."""
        self._boot.real.run_forever()

    # -- stopping the daemon ------------------------------------------------------------------------------------

    def stop(self, cause: str = "stop() in a program") -> Any:
        """Stop all watchers and then the daemon; overtakes whatever runs, a full restart too.

        :return: Future, done when everything is closed (with a loop of its own: just before, for the loop ends,
            too); None while there is no loop yet, and in another thread than the loop's (a hook's).
        """
        if threading.get_ident() != self.engine.thread:
            self._boot.call_soon_threadsafe(self.stop, cause)
            return None
        self._restarting = False
        if self._closed.done:
            self._forgo_restart()
        ticket = self._quit(cause)
        if self._provided_loop:
            ticket = self._closed
        return as_future(ticket, self._boot.real) if self._boot.real is not None else None

    def _quit(self, cause: str) -> Ticket:
        if self.herald is not None:
            patience = max((w.graceful_timeout for w in (*self.watchers, *self._leaving)), default=0.0)
            self.herald.ending(again=self._restarting, patience=patience)
        if self._stop_ticket is not None:
            return self._stop_ticket
        logger.info("Arbiter exiting")
        self._stopping = True
        self.alarm.close()
        ticket = self._stop_ticket = Ticket("quit")

        def stopped(_: Ticket) -> None:
            self.sockets.close_all()
            if self.farewell is not None and not self._restarting:
                self.farewell()
            ticket.settle()
            self._after_turns(3, self._close)  # the answer to `quit --waiting` goes out first

        self._stop_watchers([*self.watchers, *self._leaving], cause).on_done(stopped)
        return ticket

    def _after_turns(self, turns: int, callback: Callable[[], None]) -> None:
        if turns:
            self._boot.call_soon(self._after_turns, turns - 1, callback)
        else:
            callback()

    def _close(self) -> None:
        if self._boot.real is None:  # stopped before the loop was there: the loop ends its own life
            self._boot.call_later(0, self._close)
            return
        if self._restarting and self.sys_hdl is not None:
            self.sys_hdl.bridge()
            self._keep_endpoints()
        self.stop_controller_and_close_sockets()
        if self._provided_loop:
            self._drop_context()
        else:
            self._loop_stopped = True
            self._boot.real.stop()
        self._closed.settle()

    def stop_controller_and_close_sockets(self) -> None:
        """Stop answering and publishing; let go of all sockets."""
        self._running = False
        if self._ctrl is not None:
            with contextlib.suppress(Exception):
                self._ctrl.stop()
        self.bus.close()
        self._evpub = None
        self.sockets.close_all()
        self.release()

    def release(self) -> None:
        """Let go of all sockets and their files; harmless when that was done."""
        for bound in self._bound.values():
            if bound is not None:
                bound.close()
                bound.unlink()
        self._bound.clear()
        self.sockets.close_all()
        if self._stopping:
            self.engine.close()

    def _emergency_stop(self) -> Any:
        """Kill everything without grace and close. :return: Future."""
        everybody = [*self.watchers, *self._leaving]
        for watcher in everybody:
            watcher.graceful_timeout = 0
        self._stopping = True
        done = self._stop_watchers(everybody, "emergency stop")
        self.hurry()
        done.on_done(lambda _: self.stop_controller_and_close_sockets())
        return as_future(done, self._boot.real)

    # -- exclusive operations -----------------------------------------------------------------------------------

    def _guard(self, operation: str) -> None:
        """Refuse ``operation`` while one runs that excludes it (decision 1)."""
        if self._restarting:
            raise ConflictError("arbiter is restarting...")
        running = self._exclusive_running_command or self._busy
        if running is None and self._stopping:
            running = "arbiter_stop"
        if running is not None:
            raise ConflictError(f"arbiter is already running {running} command")

    def restart(
        self, inside_circusd: bool = False, watcher_iter_func: Any = None, cause: str = "restart() in a program"
    ) -> Any:
        """Restart chosen watchers, or with ``inside_circusd`` the whole daemon in its process.

        :param cause: who wants it.
        :raises CircusError: OSError: ValueError: when the configuration file is invalid; then nothing is touched.
        :return: Future, done after the stop phase.
        """
        self._guard("arbiter_restart")
        if inside_circusd and not self._provided_loop:
            if self.config_file is not None:
                from circus.config import get_config
                from circus.reconfigure import rehearse  # kept off the start path

                rehearse(self, get_config(self.config_file))
            self._restarting = True
            return as_future(self._quit(cause), self._boot.real)
        chosen = self.iter_watchers() if watcher_iter_func is None else list(watcher_iter_func())
        started = Ticket("restart")
        whole = watcher_iter_func is None

        def stopped(_: Ticket) -> None:
            again = self._start_watchers(chosen, boot=False, forced=not whole, cause=cause)
            again.on_done(lambda _: started.settle())

        self._stop_watchers(chosen, cause).on_done(stopped)
        return as_future(started, self._boot.real)

    # -- configuration ------------------------------------------------------------------------------------------

    def plan_reload(self, config_file: str | None = None) -> dict[str, Any]:
        """What :meth:`reload_from_config` would do, and what speaks against it: as the reply of a dry run has it.

        :return: ``plan`` (lines for people), ``steps`` (the same for programs) and ``problems``.
        """
        plan, _ = self.make_plan(config_file)
        return plan.told()

    def make_plan(self, config_file: str | None = None) -> tuple[Plan, dict[str, Any]]:
        """Read the file and compare; returns the plan and the new configuration."""
        from circus.config import get_config
        from circus.model.plan import make_plan  # kept off the start path

        path = config_file or self.config_file
        if path is None:
            raise CircusError("there is no configuration file to reload: the daemon was not started from one")
        config = get_config(path)
        sizes = {watcher.name: watcher.numprocesses for watcher in self.watchers}
        return make_plan(self._cfg or {}, config, sizes), config

    def reload_from_config(
        self,
        config_file: str | None = None,
        inside_circusd: bool = False,
        cause: str = "reload_from_config() in a program",
    ) -> Any:
        """Make the daemon what the file says, changing as little as possible (all or nothing). :return: Future."""
        self._guard("arbiter_reload_config")
        from circus.base.tasks import create_task
        from circus.reconfigure import apply_plan  # kept off the start path

        self._busy = "arbiter_reload_config"

        async def run() -> None:
            try:
                plan, config = self.make_plan(config_file)
                await apply_plan(self, plan, config, cause)
                if config_file:
                    self.config_file = config_file
            finally:
                self._busy = None

        task = create_task(run(), name="reloadconfig")
        if self.herald is not None:
            self.herald.reloading(task)
        return task

    def set_live(self, option: str, value: Any) -> None:
        """Change an option of the daemon that takes effect without a restart (``plan.LIVE_OPTIONS``)."""
        setattr(self, option, value)
        if option == "check_delay":
            self.ctrl.set_check_delay(value)
        elif option == "fqdn_prefix":
            self._fqdn = None
        elif option in ("loglevel", "logoutput"):
            given = {name: value or getattr(self, name) for name, value in self.log_options.items()}
            configure_logger(
                logger, given.get("loglevel") or "info", given.get("logoutput") or "-", given.get("loggerconfig")
            )


class ThreadedArbiter(threading.Thread, Arbiter):
    """An arbiter in a thread of its own, with its own loop; ``stop`` may be called from any thread and joins."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        threading.Thread.__init__(self, name="circus arbiter", daemon=True)
        Arbiter.__init__(self, *args, **kw)
        self._failure: BaseException | None = None
        self._up = threading.Event()

    def start(self) -> None:  # type: ignore[override]
        """Start the thread; returns when commands are answered.

        :raises OSError: when an endpoint or socket cannot be bound.
        """
        threading.Thread.start(self)
        self._up.wait()
        if self._failure is not None:
            raise self._failure

    def _attach(self) -> None:
        Arbiter._attach(self)
        self._up.set()

    def run(self) -> None:
        """The thread: an arbiter from start to stop."""
        try:
            Arbiter.start(self)
        except BaseException as error:
            if self._up.is_set():
                raise  # the starting thread has gone on: only the interpreter can tell now
            self._failure = error
        finally:
            self._up.set()

    def stop(self, cause: str = "stop() in a program") -> Any:
        """Stop from any thread; from another one it returns when the arbiter's thread has ended."""
        if threading.current_thread() is self:
            return Arbiter.stop(self, cause)
        if self.is_alive():
            self._boot.call_soon_threadsafe(self._quit, cause)
            self.join()
        return None


if sys.platform == "win32":
    raise ImportError("the daemon needs a POSIX system; the client programs run here")
