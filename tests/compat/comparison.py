"""Two daemons given the same treatment, and what came of it compared.

A test starts both on one ini file and then does things; each step runs on both sides at once, and its two
results, with names in place of pids and the like, must be equal unless ``differences.DIFFERENCES`` allows
otherwise.
"""

from __future__ import annotations

import difflib
import os
import pprint
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compat.differences import DIFFERENCES, as_answered, without_extra_reaps
from compat.transcript import Names
from harness import PATIENCE, Daemon, EventRecorder, eventually
from harness.ctl import WarmProgram
from harness.daemon import Output

_PUNY = 0.05

#: A watcher for :meth:`Duo.after_a_check`; its events are not compared.
CLOCK = "clock"
CLOCK_SECTION = f"\n[watcher:{CLOCK}]\ncmd = sleep 98765432\n"


class Side:
    """One of the two daemons."""

    def __init__(self, daemon: Daemon, circusctl: WarmProgram) -> None:
        self.daemon = daemon
        self.circusctl = circusctl
        self.names = Names(daemon)
        self.recorder: EventRecorder | None = None
        self._recording: Any = None

    def start(self) -> None:
        self.daemon.start()
        self.daemon.settle()
        self._recording = self.daemon.events()
        self.recorder = self._recording.__enter__()

    def stop(self, check: bool) -> None:
        if self._recording is not None:
            self._recording.__exit__(None, None, None)
        self.daemon.stop(check=check)

    def ctl(self, *arguments: str, stdin: str = "", variables: dict[str, str] | None = None) -> Output:
        """Run circusctl against this side's daemon."""
        argv = ("--endpoint", self.daemon.endpoint, *arguments)
        return Output(*self.circusctl.run(*argv, cwd=self.daemon.directory, stdin=stdin, variables=variables))

    def take_events(self, awaited: Sequence[str], apart: bool, each: bool = False) -> list[str]:
        """All events since the last time, once those in ``awaited`` (``watcher.event``) are among them.

        :param apart: sort them by watcher.
        :param each: sort them by process, in the order in which these were told of first.
        """
        assert self.recorder is not None

        def arrived(events: list[Any]) -> bool:
            heard = [f"{event.watcher}.{event.name}" for event in events]
            return all(heard.count(name) >= list(awaited).count(name) for name in awaited)

        self.recorder.wait_for(arrived)
        # The probe's event comes after everything that was published before it.
        self.recorder.forget_ignored()

        def caught_up() -> bool:
            self.daemon.settle()
            assert self.recorder is not None
            return self.recorder.wait_ignored(_PUNY)

        eventually(caught_up, interval=0)
        self.names.learn()
        heard = [event for event in self.recorder.heard if event.watcher != CLOCK]
        if each:
            processes = list(dict.fromkeys(event.pid for event in heard))
            heard.sort(key=lambda event: processes.index(event.pid))
        taken = self.names.events(sorted(heard, key=lambda event: event.watcher) if apart else heard)
        self.recorder.clear()
        return taken


class Duo:
    """The reference and the subject side by side.

    :param where: the name of the test, first half of the keys of ``DIFFERENCES``.
    :param directory: where both get a directory each.
    :param programs: circusctl of the reference and of the subject, by those names.
    """

    def __init__(self, where: str, directory: Path, programs: Mapping[str, WarmProgram]) -> None:
        self._where = where
        self._directory = directory
        self._programs = programs
        self.same = len({each.installation.python for each in programs.values()}) == 1
        self.sides: dict[str, Side] = {}
        #: The differences so far that are not allowed.
        self.problems: list[str] = []
        self._steps: list[str] = []

    # -- life ----------------------------------------------------------------------------------------------

    def start(self, ini: str, **options: Any) -> None:
        """Start both daemons on the same ini text; ``options`` are those of ``harness.Daemon``."""
        self.prepare(ini, **options)
        self.on_both(lambda side: side.start())

    def prepare(self, ini: str, **options: Any) -> None:
        """Make both daemons' directories and ini files, without starting them."""
        for name, program in self._programs.items():
            # Names of equal length, so that columns and line breaks of outputs stay comparable.
            daemon = Daemon(self._directory / name[:3], ini, installation=program.installation, **options)
            self.sides[name] = Side(daemon, program)

    def finish(self, failed: bool) -> None:
        """Stop both and report the differences that are not allowed."""
        try:
            self.on_both(lambda side: side.stop(check=not failed))
        finally:
            if not failed:
                self._check_table()
                assert not self.problems, "\n\n".join(self.problems)

    def on_both(self, act: Callable[[Side], Any]) -> dict[str, Any]:
        """Run ``act`` on both sides at the same time; their results by side.

        :raises Exception: the first error, that of the subject before that of the reference.
        """
        results: dict[str, Any] = {}
        errors: dict[str, BaseException] = {}

        def run(name: str, side: Side) -> None:
            try:
                results[name] = act(side)
            except BaseException as error:
                error.add_note(f"on the side of the {name}; its log:\n{side.daemon.log[-3000:]}")
                errors[name] = error

        threads = [threading.Thread(target=run, args=pair) for pair in self.sides.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ("subject", "reference"):
            if name in errors:
                raise errors[name]
        return results

    # -- steps ---------------------------------------------------------------------------------------------

    def ctl(self, *arguments: str, stdin: str = "", mask: Callable[[str], str] | None = None) -> None:
        """Run one circusctl command line on both sides; ``mask`` is applied to what it prints."""

        def act(side: Side) -> Any:
            side.names.learn()
            got = side.ctl(*(self._fill(side, each) for each in arguments), stdin=stdin)
            if mask:
                got = Output(got.rc, mask(got.out), mask(got.err))
            side.names.learn()
            return side.names.output(got)

        shown = " ".join(each if each and " " not in each else repr(each) for each in arguments)
        self.compare(f"ctl {shown}".strip(), self.on_both(act))

    def call(self, command: str, **properties: Any) -> None:
        """Send one command on both sides. ``deadline`` (seconds) among the properties is not sent."""
        deadline = properties.pop("deadline", PATIENCE)
        self.send({"command": command, "properties": properties}, deadline=deadline)

    def send(self, message: dict[str, Any], deadline: float = PATIENCE) -> None:
        """Send one message as it is; no reply in time counts as the reply null."""

        def act(side: Side) -> Any:
            side.names.learn()
            filled = self._fill(side, message)
            reply = side.daemon.caller.request(filled, deadline)
            side.names.learn()
            if reply is not None and "id" not in message:
                reply.pop("id")
            return side.names.value(reply)

        label = dict(message)
        words = [str(label.pop("command", ""))]
        properties = label.pop("properties", {})
        words += [f"{key}={value!r}" for key, value in properties.items()] if isinstance(properties, dict) else []
        words += [f"{key}:{value!r}" for key, value in label.items()]
        if not isinstance(properties, dict):
            words.append(f"properties:{properties!r}")
        self.compare(f"call {' '.join(words)}", self.on_both(act))

    def raw(self, *frames: bytes, deadline: float = PATIENCE) -> None:
        """Send raw frames; no reply in time counts as the reply null."""
        label = " ".join(repr(frame)[1:] for frame in frames)
        replies = self.on_both(lambda side: side.names.value(side.daemon.caller.raw(*frames, deadline=deadline)))
        self.compare(f"raw {label}", replies)

    def events(
        self, *awaited: str, ours: Sequence[str] = (), label: str = "", apart: bool = False, each: bool = False
    ) -> None:
        """Compare all events since the last time, once those in ``awaited`` (``watcher.event``) have come.

        :param ours: events that the subject alone sends, awaited as well.
        :param label: of the step; by default it is named after the step before.
        :param apart: the order among different watchers does not count.
        :param each: nor does that among different processes: one may be replaced before another has ended.
        """
        label = label or f"of {self._steps[-1]}"

        def take(side: Side) -> list[str]:
            return side.take_events(self._awaited(side, awaited, ours), apart, each)

        self.compare(f"events {label}", self.on_both(take))

    def _awaited(self, side: Side, both: Sequence[str], ours: Sequence[str]) -> Sequence[str]:
        return [*both, *ours] if side is self.sides["subject"] and not self.same else both

    def observe(self, label: str, look: Callable[[Side], Any]) -> None:
        """Compare whatever ``look`` returns."""
        self.compare(label, self.on_both(look))

    def wait_status(self, watcher: str, status: str) -> None:
        """Wait until a watcher has the status on both sides."""
        self.on_both(lambda side: side.daemon.wait_status(watcher, status))

    def after_a_check(self) -> None:
        """Wait until 0.19.0 has just had its periodic look at all processes; the ini text has ``CLOCK_SECTION``.

        It has two looks each time: of who dies between them, no ``reap`` is ever told. So who is to die does it here.
        """

        def act(side: Side) -> None:
            if side.daemon.installation.strict:
                return
            [pid] = side.daemon.pids(CLOCK)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: side.daemon.pids(CLOCK) not in ([pid], []))
            side.daemon.settle()

        self.on_both(act)

    def wait_accepted(self) -> None:
        """Wait until a change that nobody waited for is over on both sides, so that the next one is not refused."""
        self.on_both(lambda side: side.daemon.settle())

    def wait_settled(self, watcher: str) -> None:
        """Wait until a watcher is neither starting nor stopping."""
        self.on_both(lambda side: side.daemon.wait_status(watcher, "stopped", "active"))

    def _fill(self, side: Side, value: Any) -> Any:
        """Replace ``{dir}`` and ``{pid:WATCHER:INDEX}`` in what is sent."""
        if isinstance(value, str):
            if value.startswith("{pid:") and value.endswith("}"):
                watcher, _, index = value[5:-1].rpartition(":")
                return str(side.daemon.pids(watcher)[int(index)])
            return value.replace("{dir}", str(side.daemon.directory))
        if isinstance(value, dict):
            return {key: self._fill_number(side, item) for key, item in value.items()}
        return value

    def _fill_number(self, side: Side, value: Any) -> Any:
        filled = self._fill(side, value)
        return int(filled) if isinstance(value, str) and value.startswith("{pid:") else filled

    # -- comparing -----------------------------------------------------------------------------------------

    def compare(self, step: str, results: dict[str, Any]) -> None:
        """Note a problem unless the two results are equal, or differ as the table says."""
        count = sum(1 for each in self._steps if each == step or each.startswith(f"{step} #"))
        step = f"{step} #{count + 1}" if count else step
        self._steps.append(step)
        reference, subject = (
            results[name] if self._programs[name].installation.strict else as_answered(step, results[name])
            for name in ("reference", "subject")
        )
        # Seen when the test fails, and with pytest -s.
        print(f"{step}\n  {pprint.pformat(reference, width=150, sort_dicts=False)}")
        allowed = DIFFERENCES.get((self._where, step))
        if allowed is not None and not agrees(allowed.reference, reference):
            self._note(step, "the reference does not do what the table says", allowed.reference, reference)
        if self.same or allowed is None:
            if not self.same and step.startswith("events "):
                subject = without_extra_reaps(reference, subject)
            if not agrees(reference, subject):
                self._note(step, "they differ, and the table does not allow it", reference, subject)
        elif not agrees(allowed.ours, subject):
            self._note(step, f"allowed to differ ({allowed.because}), but not so", allowed.ours, subject)

    def _check_table(self) -> None:
        for where, step in DIFFERENCES:
            if where == self._where and step not in self._steps:
                self.problems.append(f"{where}: the table names a step that there is not: {step!r}")

    def _note(self, step: str, what: str, expected: Any, got: Any) -> None:
        lines = "\n".join(f"  {line}" for line in unlike(expected, got))
        self.problems.append(f"{self._where}, step {step!r}: {what}.\n{lines}")


def unlike(expected: Any, got: Any, path: str = "") -> list[str]:
    """Where two results differ, a line or two per place."""
    if agrees(expected, got):
        return []
    if isinstance(expected, dict) and isinstance(got, dict):
        lines = []
        for key, item in expected.items():
            lines += unlike(item, got[key], f"{path}/{key}") if key in got else [f"{path}/{key}: missing"]
        return lines
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        return [line for index, pair in pairs for line in unlike(*pair, f"{path}/{index}")]
    if isinstance(expected, str) and isinstance(got, str) and "\n" in expected + got:
        texts = expected.splitlines(), got.splitlines()
        return [f"{path}:", *difflib.unified_diff(*texts, "expected", "got", lineterm="", n=1)]
    return [f"{path}: expected {expected!r}", f"{path}:      got {got!r}"]


def agrees(expected: Any, got: Any) -> bool:
    """Whether ``got`` is what is expected: equal, except that objects may have more keys.

    ``...`` in ``expected`` stands for anything.
    """
    if expected is ...:
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        return all(key in got and agrees(item, got[key]) for key, item in expected.items())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(agrees, expected, got))
    # JSON knows one kind of number; true is none.
    return isinstance(expected, bool) == isinstance(got, bool) and bool(expected == got)
