"""Where the output of a watcher's processes goes: its streams, what is kept of it, and what passes through.

A base class of :class:`circus.watcher.Watcher`. A stream is read through a pipe when a sink is configured for it, or
when output is captured; all that is read this way is remembered for a while (:mod:`circus.stream.tail`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circus.base.logs import logger

if TYPE_CHECKING:
    from circus.engine import Engine
    from circus.stream.passthrough import PassThrough
    from circus.stream.tail import Tail

#: The streams of a process.
STREAMS = ("stdout", "stderr")


class Outputs:
    """A watcher whose output is read."""

    name: str
    arbiter: Any
    capture: bool | None
    close_child_stderr: bool
    close_child_stdout: bool
    evpub_socket: Any
    processes: dict[int, Any]
    res_name: str
    stderr_stream: Any
    stdout_stream: Any
    stream_redirector: Any
    _redirector_class: Any

    if TYPE_CHECKING:  # what the watcher itself provides

        @property
        def engine(self) -> Engine: ...

    #: What its processes wrote last; None as long as nothing was captured.
    output_tail: Tail | None = None
    _passing: dict[str, PassThrough] | None = None

    @property
    def captured(self) -> bool:
        """Whether output without a stream of its own is read, too, and passed through."""
        return self.capture if self.capture is not None else getattr(self.arbiter, "capture", None) is True

    def sink(self, stream: str) -> Any:
        """Where ``stdout`` or ``stderr`` of new processes is written to; None when it is not read."""
        configured = self.stdout_stream if stream == "stdout" else self.stderr_stream
        if configured is not None or not self.captured:
            return configured
        if self.close_child_stdout if stream == "stdout" else self.close_child_stderr:
            return None
        if self._passing is None:
            from circus.stream.passthrough import PassThrough  # only where output is captured

            self._passing = {name: PassThrough(fd) for fd, name in enumerate(STREAMS, 1)}
        return self._passing[stream]

    def open_streams(self) -> None:
        """Open its output streams and the redirector that fills them."""
        sinks = [self.sink(stream) for stream in STREAMS]
        if all(sink is None for sink in sinks):
            return
        for stream in sinks:
            if hasattr(stream, "open"):
                try:
                    stream.open()
                except OSError as error:  # losing output is bad, not running is worse
                    logger.error("%s: its output is lost: %s cannot be opened: %s", self.name, stream, error)
        if self.stream_redirector is None:
            redirector_class = self._redirector_class
            if redirector_class is None:
                from circus.stream import Redirector as redirector_class  # only watchers with streams need it
            self.stream_redirector = redirector_class(*sinks, loop=self.engine.loop)
            self._remember(self.stream_redirector)
            self.stream_redirector.start()

    def close_streams(self) -> None:
        """Close them; the redirector lets go of all pipes."""
        redirector, self.stream_redirector = self.stream_redirector, None
        if redirector is not None:
            redirector.stop()
        if self.output_tail is not None:
            self.output_tail.close()
        for stream in (self.stdout_stream, self.stderr_stream):
            if hasattr(stream, "close"):
                stream.close()

    def reopen_streams(self) -> None:
        """Open its log files again by name (after logrotate)."""
        for stream in (self.stdout_stream, self.stderr_stream):
            if hasattr(stream, "reopen"):
                stream.reopen()

    def last_output(self, pid: int, lines: int = 10) -> list[str]:
        """The last lines that one of its processes wrote, also one of those that ended lately; oldest first.

        :param pid: of the process; nothing is known of one that is forgotten.
        :param lines: at most so many, of standard output and error together.
        """
        return [] if self.output_tail is None else self.output_tail.last_lines(pid, lines)

    def _remember(self, redirector: Any) -> None:
        """Keep the last of what ``redirector`` reads (a program's own class may have nothing to tap)."""
        taps, farewells = (getattr(redirector, name, None) for name in ("taps", "farewells"))
        if not isinstance(taps, list) or not isinstance(farewells, list):
            return
        if self.output_tail is None:
            from circus.stream.ring import DEFAULT_CAPACITY
            from circus.stream.tail import Tail  # only watchers with streams need it

            capacity = getattr(self.arbiter, "capture_size", None)
            self.output_tail = Tail(
                self, self.engine.loop, capacity if isinstance(capacity, int) else DEFAULT_CAPACITY
            )
        taps.append(self.output_tail.tap)
        farewells.append(self.output_tail.end)
        self.output_tail.open(self.evpub_socket)
