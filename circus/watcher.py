"""A watcher: N identical processes under one name, as operators, hooks and embedding programs see it.

:class:`Watcher` holds the options (public attributes, spec library.md 3) and offers the verbs; each verb records a
wish before it returns and gives back a Future that is its settlement. What then happens is decided in
:mod:`circus.model.lifecycle` and carried out by :mod:`circus.supervision`. A watcher never imports the arbiter; the
one it belongs to is set from outside by :meth:`Watcher.initialize`.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

from circus.base import environ
from circus.base.convert import to_bool
from circus.base.logs import logger
from circus.base.tasks import Ticket, as_future, current_loop, unwrap_loop
from circus.exc import ConflictError
from circus.hooks import load_hook
from circus.journal import UNTOLD, Journal
from circus.manual import ByHand
from circus.model import steps
from circus.model.messages import encode
from circus.model.options.kinds import ExitCodes
from circus.model.pacing import Backoff
from circus.model.steps import Wish
from circus.outputs import Outputs
from circus.process import DEAD_OR_ZOMBIE, UNEXISTING, Process
from circus.supervision import Supervision
from circus.system.aio import restore_tls
from circus.watcheroptions import Adjustable, make_stream

if TYPE_CHECKING:
    from circus.engine import Engine

#: Hooks whose failure never stands in the way (spec library.md 3, ``ignore_hook_failure``).
ALWAYS_FORGIVEN = ("before_stop", "after_stop", "before_signal", "after_signal", "extended_stats")


def tornado_sleep(duration: float) -> Any:
    """An awaitable pause of ``duration`` seconds (kept for programs that replace it here)."""
    from circus.base.legacy import tornado_sleep as sleep  # kept off the start path

    return sleep(duration)


class Watcher(Adjustable, Outputs, ByHand):
    """N identical processes, kept alive.

    All parameters are the options of a ``[watcher:NAME]`` section (spec config.md 5, library.md 3) with the same
    names and defaults; unknown keywords are kept as free-form options, which plugins read.

    :raises ValueError: for options that contradict each other (copy_path without copy_env, a singleton of two, ...).
    :raises ImportError: when a hook cannot be found.
    """

    #: Replaceable in subclasses; None means :class:`circus.stream.Redirector`, loaded with the first stream.
    _process_class: Any = Process
    _redirector_class: Any = None

    def __init__(
        self,
        name: str,
        cmd: str,
        args: Any = None,
        numprocesses: int = 1,
        warmup_delay: float = 0.0,
        working_dir: str | None = None,
        shell: bool = False,
        shell_args: Any = None,
        uid: int | str | None = None,
        max_retry: int = 5,
        gid: int | str | None = None,
        send_hup: bool = False,
        stop_signal: int = signal.SIGTERM,
        stop_children: bool = False,
        env: Mapping[str, str] | None = None,
        graceful_timeout: float = 30.0,
        prereload_fn: Any = None,
        rlimits: Mapping[str, Any] | None = None,
        executable: str | None = None,
        stdout_stream: Any = None,
        stderr_stream: Any = None,
        priority: int = 0,
        loop: Any = None,
        singleton: bool = False,
        use_sockets: bool = False,
        copy_env: bool = False,
        copy_path: bool = False,
        max_age: int = 0,
        max_age_variance: int = 30,
        hooks: Mapping[str, Any] | None = None,
        respawn: bool = True,
        autostart: bool = True,
        on_demand: bool = False,
        virtualenv: str | None = None,
        stdin_socket: str | None = None,
        close_child_stdin: bool = True,
        close_child_stdout: bool = False,
        close_child_stderr: bool = False,
        virtualenv_py_ver: str | None = None,
        **options: Any,
    ) -> None:
        self.name, self.cmd, self.args = name, cmd, args
        self.res_name = name.lower().replace(" ", "_")
        self.numprocesses = int(numprocesses)
        self.warmup_delay = float(warmup_delay) if float(warmup_delay) % 1 else int(float(warmup_delay))
        self.working_dir = working_dir or environ.get_working_dir()
        self.shell, self.shell_args, self.executable = shell, shell_args, executable
        self.uid, self.gid, self.rlimits = uid, gid, dict(rlimits or {})
        self.max_retry, self.respawn, self.autostart, self.on_demand = int(max_retry), respawn, autostart, on_demand
        self.send_hup, self.stop_signal, self.stop_children = send_hup, int(stop_signal), stop_children
        self.graceful_timeout = float(graceful_timeout)
        self.prereload_fn = prereload_fn
        self.priority, self.singleton, self.use_sockets = priority, singleton, use_sockets
        self.copy_env, self.copy_path = copy_env, copy_path
        self.virtualenv, self.virtualenv_py_ver = virtualenv, virtualenv_py_ver
        self.max_age, self.max_age_variance = int(max_age), int(max_age_variance)
        self.stdin_socket = stdin_socket
        self.close_child_stdin = close_child_stdin
        self.close_child_stdout, self.close_child_stderr = close_child_stdout, close_child_stderr
        self._loop = loop
        self._take_extras(options)
        self._check()
        self.env: dict[str, str] | None = self._build_env(env)
        self.stdout_stream_conf = dict(stdout_stream) if stdout_stream else stdout_stream
        self.stderr_stream_conf = dict(stderr_stream) if stderr_stream else stderr_stream
        if self.env:
            environ.extend_module_path(self.env)  # classes of streams and hooks may live there
        self.stdout_stream = make_stream(self.stdout_stream_conf)
        self.stderr_stream = make_stream(self.stderr_stream_conf)
        self.stream_redirector: Any = None
        self.hooks: dict[str, Any] = {}
        self.ignore_hook_failure: list[str] = list(ALWAYS_FORGIVEN)
        for hook, target in (hooks or {}).items():
            self._set_hook(hook, target)
        #: The processes by pid, dead ones included until their end was dealt with.
        self.processes: dict[int, Any] = {}
        #: How many processes were started so far, by worker id.
        self.starts: dict[int, int] = {}
        self.sockets: Any = None
        self.evpub_socket: Any = None
        self.arbiter: Any = None
        #: Where events are remembered; None for a watcher used alone.
        self.journal: Journal | None = None
        self._engine: Engine | None = None
        self._supervision: Supervision | None = None
        self._forced_status: str | None = None
        self._found_wids: dict[int, int] = {}
        self._cfg: dict[str, Any] | None = None

    # -- construction -------------------------------------------------------------------------------------------

    def _take_extras(self, options: dict[str, Any]) -> None:
        """Sort the keywords beyond the historical ones into options of ours and free-form ones."""
        self._options = options
        backoff = {}
        for key in ("base", "factor", "cap", "stable", "jitter"):
            if f"respawn_backoff.{key}" in options:
                backoff[key] = float(options[f"respawn_backoff.{key}"])
        self.backoff = Backoff(**backoff)
        self.reload_overlap = float(options.get("reload_overlap", 1.0))
        self.hook_timeout = float(options.get("hook_timeout", 60.0))
        self.circus_env = to_bool(options.get("circus_env", True))
        self.listen_fds = to_bool(options.get("listen_fds", False))
        self.login_env = to_bool(options.get("login_env", False))
        self.stop_exit_codes = ExitCodes().check("stop_exit_codes", options.get("stop_exit_codes"))
        self.capture = None if options.get("capture") is None else to_bool(options["capture"])

    def _check(self) -> None:
        if self.singleton and self.numprocesses not in (0, 1):
            raise ValueError(f"Cannot have {self.numprocesses} processes with a singleton  watcher")
        if self.numprocesses == 0 and not self.singleton:
            logger.warning(
                "Non-singleton watcher %s with numprocesses=0 won't start any process", self.name
            )
        if self.copy_path and not self.copy_env:
            raise ValueError("copy_env and copy_path must have the same value")

    def _build_env(self, env: Mapping[str, str] | None) -> dict[str, str] | None:
        if env is None and not self.copy_env and not self.virtualenv:
            return None
        built = environ.child_environment(env or {}, copy_env=self.copy_env, copy_path=self.copy_path)
        if self.virtualenv:
            if not self.copy_env:
                raise ValueError("copy_env must be True to to use virtualenv")
            return environ.virtualenv_environment(self.virtualenv, built, self.virtualenv_py_ver)
        return built

    def _set_hook(self, hook: str, target: Any, *, reload: bool = False) -> None:
        restore_tls()  # foreign code comes into the process
        self.hooks[hook], ignore = load_hook(target, reload=reload)
        if hook in ALWAYS_FORGIVEN:
            return
        if hook in self.ignore_hook_failure:
            self.ignore_hook_failure.remove(hook)
        if ignore:
            self.ignore_hook_failure.append(hook)

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any]) -> Watcher:
        """Build a watcher from one entry of ``get_config(...)["watchers"]``; the mapping is left as it was."""
        options = {key: value for key, value in config.items() if key != "__name__"}
        if options.get("env") is not None:
            options["env"] = environ.parse_env_dict(options["env"])
        watcher = cls(options.pop("name"), options.pop("cmd"), **options)
        if "__name__" in config:
            watcher._options["__name__"] = config["__name__"]
        watcher._cfg = dict(config)
        return watcher

    def initialize(self, evpub_socket: Any, sockets: Any, arbiter: Any) -> None:
        """Tell the watcher where it lives: event socket, managed sockets, arbiter. May be called again."""
        self.evpub_socket, self.sockets, self.arbiter = evpub_socket, sockets, arbiter
        journal = getattr(arbiter, "journal", None)
        self.journal = journal if isinstance(journal, Journal) else None

    @property
    def engine(self) -> Engine:
        """What it shares with other watchers; a watcher used alone makes its own."""
        if self._engine is None:
            engine = getattr(self.arbiter, "engine", None)
            if engine is None:
                from circus.engine import Engine  # a watcher used alone

                engine = Engine(unwrap_loop(self._loop) if self._loop is not None else current_loop())
            self._engine = engine
        return self._engine

    @property
    def supervision(self) -> Supervision:
        """The hands that carry out its life cycle."""
        if self._supervision is None:
            self._supervision = Supervision(self, self.engine)
        return self._supervision

    @property
    def loop(self) -> Any:
        """The loop it was given, or a Tornado IOLoop on the daemon's loop (for hooks and old programs)."""
        if self._loop is None and self.arbiter is not None:
            return self.arbiter.loop
        return self._loop

    @loop.setter
    def loop(self, loop: Any) -> None:
        self._loop = loop

    def __len__(self) -> int:
        return len(self.processes)

    def __repr__(self) -> str:
        return f"<circus.Watcher name={self.name} numprocesses={self.numprocesses}>"

    # -- state --------------------------------------------------------------------------------------------------

    def status(self) -> str:
        """``stopped``, ``starting``, ``active`` or ``stopping``."""
        if self._forced_status is not None:
            return self._forced_status
        return self._supervision.machine.status if self._supervision is not None else "stopped"

    @property
    def _status(self) -> str:
        return self.status()

    @_status.setter
    def _status(self, value: str) -> None:  # compatibility: tests and old programs assign it
        self._forced_status = value

    def is_active(self) -> bool:
        """True when its status is ``active``."""
        return self.status() == "active"

    def is_stopped(self) -> bool:
        """True when its status is ``stopped``."""
        return self.status() == "stopped"

    def is_stopping(self) -> bool:
        """True when its status is ``stopping``."""
        return self.status() == "stopping"

    @property
    def pids(self) -> list[int]:
        """Pids of its processes, dead ones included until their end was dealt with."""
        return list(self.processes)

    @property
    def _nextwid(self) -> int:
        used = {process.wid for process in self.processes.values()}
        wid = 1
        while wid in used:
            wid += 1
        return wid

    @property
    def pending_socket_event(self) -> bool:
        """True for an on_demand watcher that nobody has asked for yet."""
        return bool(self.on_demand and not getattr(self.arbiter, "socket_event", False))

    def active_pids(self) -> list[int]:
        """Pids of the living processes, oldest first, from memory (no look at the process table)."""
        if self._supervision is None:
            return self.get_active_pids()
        return [w.process.pid for w in self._supervision.workers.values() if not w.exited and not w.setting_up]

    def get_active_processes(self) -> list[Any]:
        """Its processes that are neither dead nor gone."""
        return [p for p in self.processes.values() if p.status not in (DEAD_OR_ZOMBIE, UNEXISTING)]

    def get_active_pids(self) -> list[int]:
        """Pids of :meth:`get_active_processes`."""
        return [p.pid for p in self.processes.values() if p.status not in (DEAD_OR_ZOMBIE, UNEXISTING)]

    # -- verbs --------------------------------------------------------------------------------------------------

    def guard(self, operation: str) -> None:
        """Refuse an exclusive operation while the daemon is in one that excludes it (decision 1).

        :raises ConflictError: with the text of spec wire.md 3.2.
        """
        arbiter = self.arbiter
        if arbiter is None:
            return
        if getattr(arbiter, "_restarting", False):
            raise ConflictError("arbiter is restarting...")
        running = getattr(arbiter, "_exclusive_running_command", None)
        if running is None and getattr(arbiter, "_stopping", False) is True:
            running = "arbiter_stop"
        if running is not None:
            raise ConflictError(f"arbiter is already running {running} command")

    def wish(self, wish: Wish, cause: str = "", **params: Any) -> Ticket:
        """Want something of the watcher; what every verb below comes down to. See :meth:`Supervision.wish`."""
        if self.by_hand:
            return self.fulfil(wish, params)
        return self.supervision.wish(wish, cause, **params)

    def _future(self, ticket: Ticket) -> Any:
        """What callers get: a Future, or the ticket as long as the daemon has no loop (hooks at its very start)."""
        loop = self.engine.loop
        return ticket if getattr(loop, "real", loop) is None else as_future(ticket, loop)

    def start(self, cause: str = "start() in a program") -> Any:
        """Start it, or start the processes that are missing.

        :return: Future of ``{"started": [pids], "kept": [pids]}``.
        """
        self.guard("watcher_start")
        self._hold(held=False)
        return self._start(cause)

    def _hold(self, *, held: bool) -> None:
        """An on_demand watcher that an operator stopped is not started by a connection until it was started."""
        alarm = getattr(self.arbiter, "alarm", None)
        if self.on_demand and alarm is not None:
            alarm.hold(self, held=held)

    def _start(self, cause: str = "start") -> Any:
        return self._future(self.wish(Wish.START, cause))

    def stop(self, cause: str = "stop() in a program") -> Any:
        """Stop all its processes and close its streams. :return: Future of None."""
        self.guard("watcher_stop")
        self._hold(held=True)
        if hasattr(self.arbiter, "unqueue"):
            self.arbiter.unqueue([self])
        return self._stop(cause=cause)

    def _stop(self, close_output_streams: bool = False, cause: str = "stop") -> Any:
        return self._future(self.wish(Wish.STOP, cause))

    def restart(self, cause: str = "restart() in a program") -> Any:
        """Stop, then start. :return: Future of ``{"stopped", "started", "kept"}`` pid lists."""
        self.guard("watcher_restart")
        return self._restart(cause)

    def _restart(self, cause: str = "restart") -> Any:
        return self._future(self.wish(Wish.RESTART, cause))

    def reload(self, graceful: bool = True, sequential: bool = False, cause: str = "reload() in a program") -> Any:
        """Replace its processes; a stopped watcher is started.

        :param graceful: new processes first, the old ones end when the new have proved themselves (or HUP with
            ``send_hup``); False means restart.
        :param sequential: one process after the other.
        :return: Future of ``{"stopped", "started", "kept"}`` pid lists.
        """
        self.guard("watcher_reload")
        return self._reload(graceful, sequential, cause)

    def _reload(self, graceful: bool = True, sequential: bool = False, cause: str = "reload") -> Any:
        if self.prereload_fn is not None:
            self.prereload_fn(self)
        if graceful:
            return self._future(self.wish(Wish.RELOAD, cause, sequential=sequential))
        if sequential:
            logger.warning("with graceful=False, sequential=True is ignored")
        return self._restart(cause)

    def incr(self, nb: int = 1, cause: str = "incr() in a program") -> Any:
        """Have ``nb`` more processes. :return: Future of the new number."""
        self.guard("watcher_incr")
        return self._resize(self.numprocesses + nb, cause)

    def decr(self, nb: int = 1, cause: str = "decr() in a program") -> Any:
        """Have ``nb`` fewer processes, never less than none. :return: Future of the new number."""
        self.guard("watcher_decr")
        return self._resize(self.numprocesses - nb, cause)

    def set_numprocesses(self, np: int, cause: str = "set_numprocesses() in a program") -> Any:
        """Have ``np`` processes.

        :raises ValueError: for more than one process of a singleton.
        :return: Future of the new number.
        """
        return self._resize(np, cause)

    def _resize(self, wanted: int, cause: str) -> Any:
        wanted = max(0, int(wanted))
        if self.singleton and wanted > 1:
            raise ValueError("Singleton watcher has a single process")
        self.numprocesses = wanted
        return self._future(self.wish(Wish.RESIZE, cause))

    def kill_workers(
        self,
        pids: Any = None,
        signum: int | None = None,
        graceful_timeout: float | None = None,
        cause: str = "kill_workers() in a program",
    ) -> Any:
        """End processes and have them replaced.

        :param pids: which; None for all.
        :param signum: stop signal; None for the watcher's.
        :param graceful_timeout: seconds until SIGKILL; None for the watcher's.
        :return: Future, done when they are gone.
        """
        wanted = None if pids is None else {int(pid) for pid in pids}
        return self._future(
            self.wish(Wish.KILL, cause, pids=wanted, signum=signum, graceful_timeout=graceful_timeout)
        )

    def kill_process(self, process: Any, stop_signal: int | None = None, graceful_timeout: float | None = None) -> Any:
        """End one process. :return: Future, done when it is gone: True, or False when it was going already."""
        if self.by_hand:
            return self._future(self._drive(self._kill_by_hand(process, stop_signal, graceful_timeout)))
        answer, going = Ticket("kill"), not self.supervision.keeps(process)
        params = {"pids": {process.pid}, "signum": stop_signal, "graceful_timeout": graceful_timeout}
        wish = self.wish(Wish.KILL, "kill_process() in a program", **params)
        wish.on_done(lambda done: answer.fail(done.error) if done.error else answer.settle(not going))
        return self._future(answer)

    def kill_processes(self, stop_signal: int | None = None, graceful_timeout: float | None = None) -> Any:
        """End all processes. :return: Future, done when they are gone."""
        return self.kill_workers(None, stop_signal, graceful_timeout)

    def hurry(self) -> None:
        """Grace is over: SIGKILL to everything that is being stopped."""
        if self._supervision is not None:
            self._supervision.feed(steps.Hurried())

    def manage_processes(self) -> Any:
        """Compare what is wanted with what is there. :return: Future, done when they agree."""
        return self._future(self.wish(Wish.RESIZE, "check"))

    reap_and_manage_processes = manage_processes

    def reap_processes(self) -> None:
        """Collect its processes that have ended, now instead of when the kernel tells."""
        for pid in list(self.processes):
            self.reap_process(pid)

    def reap_process(self, pid: int, status: int | None = None) -> None:
        """Collect one process if it has ended."""
        if self.by_hand:
            self._reap_by_hand(pid, status)
        else:
            self.engine.reaper.poll(pid)

    def check(self) -> None:
        """The periodic look: nothing to do unless an option was changed behind the life cycle's back."""
        if self.by_hand:
            self.check_by_hand()
        elif self._supervision is not None:
            self._supervision.feed(steps.Checked())

    def make_process(self, wid: int) -> Any:
        """Start one process with worker id ``wid`` and return its record.

        :raises OSError: ValueError: when it cannot be started.
        """
        process = self._process_class(
            self.name,
            wid,
            self.cmd,
            args=self.args,
            working_dir=self.working_dir,
            shell=self.shell,
            uid=self.uid,
            gid=self.gid,
            env=self.env,
            rlimits=self.rlimits,
            executable=self.executable,
            use_fds=self.use_sockets,
            watcher=self,
            spawn=False,
            pipe_stdout=self.sink("stdout") is not None,
            pipe_stderr=self.sink("stderr") is not None,
            close_child_stdin=self.close_child_stdin,
            close_child_stdout=self.close_child_stdout,
            close_child_stderr=self.close_child_stderr,
        )
        process.spawn()
        if self.output_tail is not None:
            self.output_tail.begin(process)
        self.starts[wid] = self.starts.get(wid, 0) + 1
        return process

    # -- signals ------------------------------------------------------------------------------------------------

    def send_signal(self, pid: int, signum: int, cause: str = "") -> None:
        """Send ``signum`` to the process ``pid`` of this watcher, hooks included; an unknown pid is only logged.

        :param cause: who wants that; what is said of it here is told by ``why``.
        """
        process = self.processes.get(pid)
        if process is None:
            logger.debug("process %s does not exist", pid)
            return
        if cause and self._supervision is not None:
            self._supervision.note_signal(pid, signum, cause)
        if self._supervision is not None and ("before_signal" in self.hooks or "after_signal" in self.hooks):
            self._supervision.signal(process, signum)
            return
        if self.call_hook("before_signal", pid=pid, signum=signum) or signum == signal.SIGKILL:
            process.send_signal(signum)
        else:
            logger.debug("before_signal hook vetoed signal %s to %s", signum, pid)
        self.call_hook("after_signal", pid=pid, signum=signum)

    def send_signal_process(self, process: Any, signum: int, recursive: bool = False) -> None:
        """Send ``signum`` to a process and then to its children (all descendants with ``recursive``)."""
        children = process.children(recursive=recursive)
        self.send_signal(process.pid, signum)
        for child in children:
            with contextlib.suppress(Exception):
                process.send_signal_child(child, signum)

    def send_signal_child(self, pid: int, child_id: int, signum: int) -> None:
        """Send ``signum`` to one direct child of the process ``pid``.

        :raises KeyError: unknown pid. :raises NoSuchProcess: (psutil) not a child of it.
        """
        self.processes[pid].send_signal_child(int(child_id), signum)

    def send_signal_children(self, pid: int, signum: int, recursive: bool = False) -> None:
        """Send ``signum`` to the children (or all descendants) of the process ``pid``; KeyError when unknown."""
        self.processes[int(pid)].send_signal_children(signum, recursive)

    # -- events, hooks, streams ---------------------------------------------------------------------------------

    def notify_event(self, topic: str, msg: Mapping[str, Any]) -> None:
        """Enter an event in the daemon's journal, and publish it as ``watcher.<res_name>.<topic>`` if anybody listens.

        :param msg: the payload, not to be changed afterwards. In a daemon ``cause`` is added where it is missing,
            and ``seq``, the number of the event.
        """
        journal = self.journal
        if journal is not None:
            if get_ident() != (self._engine or self.engine).thread:  # a hook's: numbers are given in one place only
                self.engine.loop.call_soon_threadsafe(self.notify_event, topic, dict(msg))
                return
            if "cause" not in msg:
                msg = {**msg, "cause": UNTOLD}
            seq = journal.record(self.name, self.res_name, topic, msg)
        target = self.evpub_socket
        if target is not None and not target.closed and getattr(target, "heard", True):
            payload = msg if journal is None else {**msg, "seq": seq}
            target.send_multipart([f"watcher.{self.res_name}.{topic}".encode(), encode(payload)])

    def report_hook(
        self, name: str, error: BaseException | None, go: bool = True, took: float | None = None
    ) -> None:
        """Publish that a hook answered or failed, and note it for ``why``.

        :param go: whether what it guards may go on.
        :param took: how many seconds it thought.
        """
        told: dict[str, Any] = {"name": name, "time": time.time()}
        if error is not None:
            told["error"] = str(error) or type(error).__name__
        told["go"] = go
        if took is not None:
            told["took"] = round(took, 6)
        told["cause"] = f"hook {name}"
        if self._supervision is not None:
            self._supervision.hook_reported(told)
        self.notify_event("hook_success" if error is None else "hook_failure", told)

    def call_hook(self, hook_name: str, **kwargs: Any) -> bool:
        """Call a hook here and now and publish its outcome; True when there is none.

        The life cycle asks its hooks off the loop (:mod:`circus.hooks`); this is for signals sent directly, and for
        old programs.
        """
        function = self.hooks.get(hook_name)
        if function is None:
            return True
        from circus.model.hooktable import HOOKS

        result: Any = None
        failure: Exception | None = None
        began = time.monotonic()
        try:
            result = function(watcher=self, arbiter=self.arbiter, hook_name=hook_name, **kwargs)
        except Exception as error:  # foreign code: its failure is an answer, judged by the table
            failure = error
            logger.exception(f"Hook {hook_name!r} failed")
        spec = HOOKS.get(hook_name)
        forgiven = hook_name in self.ignore_hook_failure
        go = spec.go(result, failure is not None, forgiven) if spec else failure is None
        self.report_hook(hook_name, failure, go, time.monotonic() - began)
        if failure is not None:
            return go if spec else False
        return bool(result)

    # -- sockets ------------------------------------------------------------------------------------------------

    def _get_sockets_fds(self) -> dict[str, int]:
        return {name: sock.fileno() for name, sock in (self.sockets or {}).items()}

    def _get_stdin_socket_fd(self) -> int | None:
        if self.stdin_socket is None:
            return None
        fds = self._get_sockets_fds()
        name = self.stdin_socket.lower()
        if name not in fds:
            raise ValueError(f"stdin_socket {self.stdin_socket!r} does not exist")
        return fds[name]

    # -- statistics ---------------------------------------------------------------------------------------------

    def info(self, extended: bool = False) -> dict[int, Any]:
        """What :meth:`process_info` tells, for all its processes by pid."""
        return self.info_of(list(self.processes.values()), extended)

    def info_of(self, processes: Sequence[Any], extended: bool = False) -> dict[int, Any]:
        """:meth:`info`, for some of its processes only."""
        if self._supervision is None:
            return {process.pid: self._extend(process.info(), process.pid, extended) for process in processes}
        facts = self.engine.sampler.infos([process.pid for process in processes])
        return {
            process.pid: self._extend(process.complete_info(facts.get(process.pid)), process.pid, extended)
            for process in processes
        }

    def process_info(self, pid: int | str, extended: bool = False) -> Any:
        """Facts about one process (spec wire.md 5.6); KeyError when it is not one of ours."""
        process = self.processes[int(pid)]
        return self._extend(process.info(), process.pid, extended)

    def condition(self) -> dict[str, Any]:
        """What is out of the ordinary: ``streams`` (counters of captured output), ``retry_in`` (seconds by wid)."""
        told: dict[str, Any] = {}
        if self.stream_redirector is not None and hasattr(self.stream_redirector, "counters"):
            told["streams"] = self.stream_redirector.counters()
        if self._supervision is not None:
            waiting = self._supervision.machine.retry_in()
            if waiting:
                told["retry_in"] = {str(wid): round(seconds, 3) for wid, seconds in waiting.items()}
        return told

    def _extend(self, info: Any, pid: int, extended: bool) -> Any:
        hook = self.hooks.get("extended_stats") if extended else None
        if hook is not None and isinstance(info, dict):
            try:
                hook(watcher=self, arbiter=self.arbiter, hook_name="extended_stats", pid=pid, stats=info)
            except Exception:  # a hook must not spoil the figures it was to extend
                logger.exception("Hook 'extended_stats' failed")
        return info
