"""The hands of a watcher: carries out what the life cycle decides, and reports what came of it.

:class:`Supervision` owns the :class:`~circus.model.lifecycle.Lifecycle` of one watcher and the processes in its
slots. It is fed wishes by :class:`circus.watcher.Watcher`, deaths by the reaper, answers by hooks, and turns
instructions into spawns, signals, timers and events. It decides nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from circus.base.logs import logger
from circus.base.tasks import Ticket
from circus.model import steps
from circus.model.lifecycle import Lifecycle, Rules
from circus.system.launch import read_setup
from circus.system.proctable import ProcRef, is_same, signal_ref
from circus.system.reserve import with_reserve
from circus.system.tree import TreeWatch

if TYPE_CHECKING:
    from circus.engine import Engine
    from circus.process import Process

#: Seconds for which a child that has told why its program cannot run is waited for.
_LAST_INSTRUCTION = 0.02
#: What keeps a worker from starting without being its fault.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
#: Lines remembered per watcher, for `why` and for reports of internal errors.
STORY_LENGTH = 100
#: Ends of workers remembered per watcher: that many nobody asked for, and as many that somebody did.
EXITS_KEPT = 10
#: Wishes, and signals sent by commands, that are remembered.
WISHES_KEPT = 20


class Ward(Rules, Protocol):
    """What is supervised; :class:`circus.watcher.Watcher` is one."""

    arbiter: Any
    hook_timeout: float
    ignore_hook_failure: list[str]
    processes: dict[int, Any]
    stop_children: bool
    stream_redirector: Any

    def make_process(self, wid: int) -> Any:
        """Start one process."""

    def notify_event(self, topic: str, msg: Mapping[str, Any]) -> None:
        """Publish an event."""

    def report_hook(
        self, name: str, error: BaseException | None, go: bool = True, took: float | None = None
    ) -> None:
        """Publish that a hook answered or failed."""

    def open_streams(self) -> None:
        """Open the output streams."""

    def close_streams(self) -> None:
        """Close them."""


class Worker:
    """One process in a slot, with what has to be remembered to end it properly."""

    __slots__ = ("exit", "exited", "pid", "process", "setting_up", "sid", "signalled", "tree", "watch")

    def __init__(self, sid: int, process: Process) -> None:
        self.sid, self.process, self.pid = sid, process, process.pid
        #: Members of its tree before the first stop signal.
        self.tree: tuple[ProcRef, ...] = ()
        self.signalled: list[int] = []
        self.watch: TreeWatch | None = None
        self.setting_up = False
        self.exited = False
        self.exit: int | None = None


class Supervision:
    """Carries out the life cycle of one watcher.

    :param watcher: the public object; its options are the rules of the life cycle.
    :param engine: what all watchers share.
    """

    def __init__(self, watcher: Ward, engine: Engine) -> None:
        self.watcher = watcher
        self.engine = engine
        self.machine = Lifecycle(watcher)
        self.workers: dict[int, Worker] = {}
        self._story: deque[tuple[float, str, tuple[Any, ...]]] = deque(maxlen=STORY_LENGTH)
        #: Payloads of ``reap`` events: of workers that ended by themselves, and of those that were ended.
        self.deaths: deque[dict[str, Any]] = deque(maxlen=EXITS_KEPT)
        self.endings: deque[dict[str, Any]] = deque(maxlen=EXITS_KEPT)
        #: Who wanted what: time, wish, cause.
        self.wishes: deque[tuple[float, steps.Wish, str]] = deque(maxlen=WISHES_KEPT)
        #: The last wish that it runs (True), or does not: time, which, cause. None before the first.
        self.intent: tuple[float, bool, str] | None = None
        #: Signals that commands sent: time, pid, number, cause.
        self.signals: deque[tuple[float, int, int, str]] = deque(maxlen=WISHES_KEPT)
        #: The latest answer of each hook, as its event told it.
        self.answers: dict[str, dict[str, Any]] = {}
        #: When and why a worker could not be started, the last time.
        self.spawn_error: tuple[float, str] | None = None
        #: Since when the watcher is in its present stage.
        self.since = time.time()
        #: Those that wait for this watcher, see :meth:`until_trouble`.
        self._turns: list[Ticket] = []
        #: Told of each change of stage (on_demand, shutdown).
        self.on_stage: Callable[[Any, steps.Stage], None] | None = None
        self._stage = self.machine.stage
        self._inbox: deque[steps.Fact] = deque()
        self._carrying = False
        self._spawning: dict[int, steps.Spawn] = {}
        #: Process trees of the workers that are being stopped by what is carried out now.
        self._trees: Mapping[int, tuple[ProcRef, ...]] = {}
        self._runner: Any = None

    # -- the only door ------------------------------------------------------------------------------------------

    def feed(self, fact: steps.Fact) -> None:
        """Report a fact; everything that follows from it is done before this returns, except what takes time."""
        self._inbox.append(fact)
        if self._carrying:
            return
        self._carrying = True
        try:
            while self._inbox:
                fact = self._inbox.popleft()
                todo = self.machine.handle(fact, time.monotonic())
                self._trees = self._view_trees(todo) if len(todo) > 2 else {}
                for step in todo:
                    self._carry_out(step)
                if self.machine.stage is not self._stage:
                    self._stage = self.machine.stage
                    self.since = time.time()
                    if self.on_stage is not None:
                        self.on_stage(self.watcher, self._stage)
        except Exception:
            # Nothing may leave this loop half-way: the next fact would meet a machine nobody listens to.
            logger.exception("%s: internal error on %r; story: %s", self.watcher.name, fact, self.story()[-10:])
            self._inbox.clear()
        finally:
            self._carrying = False

    def _carry_out(self, step: steps.Instruction) -> None:
        try:
            _CARRY[type(step)](self, step)
        except Exception:
            # What comes after must still be done: a signal not sent or a client not answered would be worse.
            logger.exception("%s: %r could not be carried out", self.watcher.name, step)

    def wish(self, wish: steps.Wish, cause: str = "", **params: Any) -> Ticket:
        """Want something of the watcher; the ticket is settled when it is done, superseded or has failed."""
        ticket = Ticket(wish.value)
        wanted = steps.Wanted(wish, ticket, cause or f"{wish.value} command", params)
        if threading.get_ident() != self.engine.thread:  # a hook's
            self.engine.loop.call_soon_threadsafe(self._wanted, wanted)
        else:
            self._wanted(wanted)
        return ticket

    def _wanted(self, wanted: steps.Wanted) -> None:
        now = time.time()
        self.wishes.append((now, wanted.wish, wanted.cause))
        if wanted.wish not in (steps.Wish.RESIZE, steps.Wish.KILL):
            self.intent = (now, wanted.wish is not steps.Wish.STOP, wanted.cause)
        self.feed(wanted)

    def tell(self, text: str, *args: Any) -> None:
        """Add a line to the watcher's story, in the notation of :mod:`logging`."""
        self._story.append((time.time(), text, args))

    def story(self) -> list[tuple[float, str]]:
        """What was wanted of the watcher and what it told lately: wall-clock times and lines, oldest first.

        Ends of workers are not among it: see :mod:`circus.story` for the whole.
        """
        lines = [(at, text % args if args else text) for at, text, args in self._story]
        wishes = [(at, f"{wish.value} asked for: {cause}") for at, wish, cause in self.wishes if cause != "check"]
        return sorted(lines + wishes, key=lambda line: line[0])

    def note_signal(self, pid: int, signum: int, cause: str) -> None:
        """Remember that somebody has a signal sent that is no part of the life cycle."""
        self.signals.append((time.time(), pid, signum, cause))

    def hook_reported(self, answer: dict[str, Any]) -> None:
        """Remember what a hook answered, as told by its event."""
        self.answers[answer["name"]] = answer
        if "error" in answer:
            self.tell("hook %s failed: %s", answer["name"], answer["error"])
        elif not answer["go"]:
            self.tell("hook %s refused", answer["name"])

    def asking(self) -> tuple[str, float] | None:
        """The hook that is being asked and how many seconds it has been thinking; None for none."""
        found: tuple[str, float] | None = None if self._runner is None else self._runner.asking
        return found

    def worker_of(self, pid: int) -> Worker | None:
        """The worker with that pid, if it is one of ours."""
        return next((w for w in self.workers.values() if w.pid == pid), None)

    def keeps(self, process: Process) -> bool:
        """Whether ``process`` is a worker that is to stay."""
        worker = self.worker_of(process.pid)
        slot = None if worker is None else self.machine.slots.get(worker.sid)
        return slot is not None and not slot.leaving

    # -- spawning -----------------------------------------------------------------------------------------------

    def _spawn(self, step: steps.Spawn) -> None:
        self._spawning[step.sid] = step
        self.engine.spawns.push(lambda: self._spawn_now(step))

    def _cancel_spawn(self, step: steps.CancelSpawn) -> None:
        self._spawning.pop(step.sid, None)
        worker = self.workers.get(step.sid)
        if worker is not None:  # started, but its program does not run yet: nobody heard of it
            self._discard(worker)

    def _discard(self, worker: Worker) -> None:
        """End a process that never became a worker."""
        process = worker.process
        fd, process.setup_fd = process.setup_fd, None
        if fd is not None:
            self.engine.loop.remove_reader(fd)
            os.close(fd)
        if not worker.exited:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                self.engine.reaper.send(process.pid, signal.SIGKILL)
            self.engine.reaper.release(process.pid)
        self._let_go(worker)

    def _spawn_now(self, step: steps.Spawn) -> None:
        if self._spawning.pop(step.sid, None) is None:
            return
        worker: Worker | None = None
        try:
            process = self.watcher.make_process(step.wid)
            worker = self.workers[step.sid] = Worker(step.sid, process)
            self._take_charge(worker)
        except Exception as error:  # whatever keeps a worker from starting is told to the operator and counted
            if worker is not None:
                self._discard(worker)
            passing = isinstance(error, OSError) and error.errno in _SHORTAGES
            self._spawn_failed(step.sid, str(error) or type(error).__name__, passing=passing)
            return
        if not worker.setting_up:
            self.feed(steps.Started(step.sid, process.pid, process.started))

    def _take_charge(self, worker: Worker) -> None:
        """From now on its end is told, its output read, and its set-up waited for."""
        process = worker.process
        worker.setting_up = process.setup_fd is not None
        self.watcher.processes[worker.pid] = process
        self.engine.watch(worker.pid, lambda _, code: self._ended(worker, code))
        if self.watcher.stream_redirector is not None:
            self.watcher.stream_redirector.add_redirections(process)
        if worker.setting_up:
            self.engine.loop.add_reader(process.setup_fd, self._set_up, worker)

    def _spawn_failed(self, sid: int, text: str, *, passing: bool = False) -> None:
        self.spawn_error = (time.time(), text)
        self.feed(steps.SpawnFailed(sid, text, passing))
        self._tell_trouble()

    def until_trouble(self, turn: Ticket) -> None:
        """Settle ``turn`` at the first trouble: a worker cannot be started, or ends by itself and is to be replaced.

        Others need not wait any longer for this watcher then.
        """
        self._turns = [each for each in self._turns if not each.done]
        self._turns.append(turn)

    def _tell_trouble(self) -> None:
        turns, self._turns = self._turns, []
        for turn in turns:
            turn.settle()

    def _set_up(self, worker: Worker) -> None:
        """The child has executed its program, or told why it could not."""
        process = worker.process
        fd, process.setup_fd = process.setup_fd, None
        if fd is None:
            return
        self.engine.loop.remove_reader(fd)
        text = read_setup(fd)
        worker.setting_up = False
        if text is None:
            self.feed(steps.Started(worker.sid, process.pid, process.started))
            if worker.exited:
                self._drained(worker)
            return
        self._let_go(worker)
        if not worker.exited:
            self.engine.reaper.release(process.pid)
            with contextlib.suppress(TimeoutError):  # at its last instruction; gone before anybody hears of it
                self.engine.reaper.wait_pid_sync(process.pid, _LAST_INSTRUCTION)
        self._spawn_failed(worker.sid, text)

    # -- deaths -------------------------------------------------------------------------------------------------

    def _ended(self, worker: Worker, returncode: int | None) -> None:
        """From the reaper, exactly once per worker: read out its last words, then report."""
        worker.exited, worker.exit = True, returncode
        worker.process.ended(returncode)
        if worker.setting_up:
            # Both the text and the end arrive; whichever comes first, the text decides.
            self._set_up(worker)
            return
        if worker.sid not in self.workers:
            return
        redirector = self.watcher.stream_redirector
        if redirector is None or not worker.process.redirected:
            self._drained(worker)
        else:
            redirector.drain(worker.process, lambda: self._drained(worker))

    def _drained(self, worker: Worker) -> None:
        slot = self.machine.slots.get(worker.sid)
        asked_for = bool(slot is not None and slot.ending)
        leftovers = asked_for and self._await_leftovers(worker)
        self.feed(steps.Exited(worker.sid, worker.exit, leftovers))
        if not asked_for and self.watcher.respawn:
            self._tell_trouble()

    def _await_leftovers(self, worker: Worker) -> bool:
        """After a worker we ended: find what remains of its tree, ask it to end too, and wait for it."""
        left = {ref for ref in worker.tree if with_reserve(is_same, ref)}
        try:
            os.killpg(worker.pid, 0)  # its process group outlives it only while somebody is in it
        except OSError:
            pass
        else:
            left.update(self._tree_of(worker.pid))
        if not left:
            return False
        for ref in left:
            if ref.pid not in worker.signalled and self._signal_member(ref, self.watcher.stop_signal):
                self._publish_kill(ref.pid, "left behind by a stopped worker")
        worker.tree = tuple(left)
        worker.watch = TreeWatch(self.engine.loop, left, lambda: self.feed(steps.TreeGone(worker.sid)))
        return bool(worker.watch.refs)

    def _forget(self, step: steps.Forget) -> None:
        worker = self.workers.get(step.sid)
        if worker is not None:
            if not worker.exited:
                self.engine.reaper.release(worker.process.pid)
            self._let_go(worker)

    def _let_go(self, worker: Worker) -> None:
        self.workers.pop(worker.sid, None)
        process = worker.process
        if self.watcher.processes.get(worker.pid) is process:
            del self.watcher.processes[worker.pid]
        if worker.watch is not None:
            worker.watch.close()
        if self.watcher.stream_redirector is not None and process.redirected:
            self.watcher.stream_redirector.remove_redirections(process)
        process.close_output_channels()
        self.engine.sampler.forget(worker.pid)

    def abandon(self) -> None:
        """Let all processes run on unmanaged (``rm --nostop``); their ends are collected silently."""
        for worker in list(self.workers.values()):
            if not worker.exited:
                self.engine.reaper.release(worker.process.pid)
        self.workers.clear()
        self.watcher.processes.clear()
        self.machine = Lifecycle(self.watcher)
        self._stage = self.machine.stage

    # -- signals ------------------------------------------------------------------------------------------------

    def _signal(self, step: steps.Signal) -> None:
        worker = self.workers.get(step.sid)
        if worker is None:
            return
        pid = worker.pid
        worker.signalled = [pid]
        if step.polite:
            worker.process.stopping = True
            tree = self._trees.get(pid)
            worker.tree = self._tree_of(pid, remembered=True) if tree is None else tree
        elif step.tree:
            worker.tree = tuple({*self._tree_of(pid), *worker.tree})
        try:
            self.engine.reaper.send(pid, step.signum)
        except ProcessLookupError:
            pass  # it ended by itself; its exit is on the way
        except PermissionError as error:
            logger.error("%s: may not signal pid %s: %s", self.watcher.name, pid, error)
        if step.tree or (step.polite and self.watcher.stop_children):
            worker.signalled += [ref.pid for ref in worker.tree if self._signal_member(ref, step.signum)]

    def _tree_of(self, pid: int, *, remembered: bool = False) -> tuple[ProcRef, ...]:
        """Its descendants; nothing when they cannot be found out, for the process itself must be signalled then, too.

        :param remembered: a view taken a moment ago for many workers will do.
        """
        try:
            trees = self.engine.trees
            return trees.take(pid) if remembered else trees.look(pid)
        except OSError as error:
            logger.error("%s: the processes below pid %s cannot be found: %s", self.watcher.name, pid, error)
            return ()

    def _signal_member(self, ref: ProcRef, signum: int) -> bool:
        """Signal one member of a tree; False when it is gone, or not ours to signal (a set-uid program)."""
        try:
            return with_reserve(signal_ref, ref, signum)
        except PermissionError:
            logger.warning("%s: may not signal pid %s, which belongs to another user", self.watcher.name, ref.pid)
            return False

    def _view_trees(self, todo: list[steps.Instruction]) -> Mapping[int, tuple[ProcRef, ...]]:
        """Many workers are about to be stopped: one look at the process table serves them all."""
        sids = [step.sid for step in todo if type(step) is steps.Signal and step.polite and step.sid in self.workers]
        return self.engine.trees.view([self.workers[sid].pid for sid in sids]) if len(sids) > 1 else {}

    def _announce(self, step: steps.Announce) -> None:
        worker = self.workers.get(step.sid)
        if worker is not None:
            for pid in worker.signalled or [worker.pid]:
                self._publish_kill(pid, step.cause)

    def _publish_kill(self, pid: int, cause: str) -> None:
        self.watcher.notify_event("kill", {"process_pid": pid, "time": time.time(), "cause": cause})

    # -- the rest -----------------------------------------------------------------------------------------------

    def signal(self, process: Process, signum: int) -> None:
        """Send a signal that is no part of the life cycle, with its hooks; the answer may take its time."""
        told = {"pid": process.pid, "signum": signum}

        def answered(go: bool) -> None:
            if go or signum == signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    self.engine.reaper.send(process.pid, signum)
            else:
                logger.info("%s: before_signal refused signal %s to pid %s", self.watcher.name, signum, process.pid)
            self._ask("after_signal", told, lambda _: None)

        # A hook may call us from its thread; its own queue is served on the loop.
        self.engine.loop.call_soon_threadsafe(self._ask, "before_signal", told, answered)

    def _ask_hook(self, step: steps.AskHook) -> None:
        self._ask(step.hook, step.arguments, lambda go: self.feed(steps.Answered(step.token, go)))

    def _ask(self, hook: str, given: Mapping[str, Any], answered: Callable[[bool], None]) -> None:
        """Call a hook off the loop; at once ``answered(True)`` when the watcher has none of that name."""
        watcher = self.watcher
        if hook not in watcher.hooks:
            answered(True)
            return
        if self._runner is None:
            from circus.hooks import HookRunner  # only watchers with hooks need it

            self._runner = HookRunner(self.engine.loop, watcher.report_hook)
        self._runner.timeout = watcher.hook_timeout
        arguments = {"watcher": watcher, "arbiter": watcher.arbiter, "hook_name": hook, **given}
        if hook in ("before_reap", "after_reap"):
            arguments["time"] = time.time()
        self._runner.ask(hook, watcher.hooks[hook], arguments, hook in watcher.ignore_hook_failure, answered)

    def _emit(self, step: steps.Emit) -> None:
        payload = step.payload
        if payload["time"] is None:
            payload["time"] = time.time()
        if step.event == "reap":
            (self.endings if payload["expected"] else self.deaths).append(payload)
        elif step.event == "start":
            self.tell("active")
        elif step.event != "spawn":
            self.tell("%s: %s", "stopped" if step.event == "stop" else "reloaded", payload["cause"])
        self.watcher.notify_event(step.event, payload)

    def _wake_at(self, step: steps.WakeAt) -> None:
        self.engine.loop.call_at(step.when, self.feed, steps.Woke(step.token))

    def _streams(self, step: steps.Streams) -> None:
        if step.open:
            self.watcher.open_streams()
        else:
            self.watcher.close_streams()

    def _settle(self, step: steps.Settle) -> None:
        if step.error is not None:
            step.ticket.fail(step.error)
        else:
            step.ticket.settle(step.result)

    def _say(self, step: steps.Say) -> None:
        if step.level != "info" and not step.has_event:  # what has an event is in the story by that
            self.tell(step.text)
        getattr(logger, step.level)(step.text)


_CARRY: dict[type, Callable[[Supervision, Any], None]] = {
    steps.Spawn: Supervision._spawn,
    steps.CancelSpawn: Supervision._cancel_spawn,
    steps.AskHook: Supervision._ask_hook,
    steps.Signal: Supervision._signal,
    steps.Announce: Supervision._announce,
    steps.Emit: Supervision._emit,
    steps.WakeAt: Supervision._wake_at,
    steps.Forget: Supervision._forget,
    steps.Streams: Supervision._streams,
    steps.Settle: Supervision._settle,
    steps.Say: Supervision._say,
}
