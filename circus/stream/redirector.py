"""Between the workers of one watcher and its streams: which pipes there are, and where their output goes.

Made by :class:`circus.watcher.Watcher` at each start, used on the loop's thread only. Reading and writing is
done by the threads of :mod:`circus.stream.pump`; nothing here blocks, except that a change of streams waits
up to 50 ms for output that is on its way to a sink that is not stuck.

The order that loses nothing: ``drain(process, callback)`` once the process is dead, then
``remove_redirections(process)``, then close its files; and ``stop()`` before the streams are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from circus.base.logs import logger
from circus.stream.channel import Channel, SinkCall, Tap
from circus.stream.pipe import Pipe
from circus.stream.shared import shared_pump
from circus.stream.sink import Sink

__all__ = ["Redirector"]

#: Bytes that a custom stream is given in one call at most, unless a single line is longer.
DEFAULT_PIECE = 8192


class Redirector:
    """Hands the output of processes to two streams (spec plugins-hooks-streams.md 3.4).

    :param stdout_redirect: called with ``{"data", "pid", "name"}`` for standard output; None when it is not
        captured.
    :param stderr_redirect: the same for standard error.
    :param buffer: bytes given to a custom stream in one call at most, unless a single line is longer. (How
        much is kept for a stream that is stuck is an option of the stream, see
        :class:`circus.stream.sink.Sink`.)
    :param loop: where callbacks of :meth:`drain` are called: asyncio's names, need not run yet; None calls
        them from the pump's thread.
    """

    def __init__(
        self,
        stdout_redirect: SinkCall | None,
        stderr_redirect: SinkCall | None,
        buffer: int = DEFAULT_PIECE,
        loop: Any = None,
    ) -> None:
        self.running = False
        #: By descriptor: (name, process, its file), for all pipes known.
        self.pipes: dict[int, tuple[str, Any, Any]] = {}
        self.redirect: dict[str, SinkCall | None] = {}
        self.buffer, self.loop = buffer, loop
        #: Callables (data, pid, name) that also see every chunk, as it is read, on the pump's thread. The
        #: place for a bounded memory of each worker's last lines and for live tails; they must be quick and
        #: never block.
        self.taps: list[Tap] = []
        #: Callables (process) that are told of each process whose pipes are forgotten.
        self.farewells: list[Callable[[Any], object]] = []
        #: By descriptor: the pipes that are being read.
        self._active: dict[int, Pipe] = {}
        #: Pipes that outlive their worker.
        self._adopted: set[Pipe] = set()
        self._pump = shared_pump()
        self._channels = {name: Channel(name, self.taps) for name in ("stdout", "stderr")}
        #: Bytes lost before the present stream was there.
        self._lost_before = dict.fromkeys(self._channels, 0)
        self._bind("stdout", stdout_redirect)
        self._bind("stderr", stderr_redirect)

    # -- streams ---------------------------------------------------------------------------------------------

    def get_stream(self, name: str) -> SinkCall | None:
        """The stream of ``stdout`` or ``stderr``."""
        return self.redirect[name]

    def change_stream(self, name: str, writer: SinkCall | None) -> None:
        """Hand the output of ``name`` to ``writer`` from now on.

        When this returns the old stream is not called any more and may be closed, unless a call of it is
        stuck.
        """
        channel = self._channels[name]
        before = channel.route.outlet
        self._pump.settle([before])
        self._bind(name, writer)
        self._pump.settle([before, channel.route.outlet])
        self._lost_before[name] = channel.lost

    def counters(self) -> dict[str, dict[str, float]]:
        """What happened to the output so far, for ``stdout`` and ``stderr``.

        ``bytes`` were read; ``dropped`` is how many of them were lost (a write that failed, a stream that
        raised, a dropping policy); ``errors`` counts failed writes; ``blocked`` is how many seconds a stuck
        stream has held output up.
        """
        return {
            name: {
                "bytes": channel.bytes,
                "dropped": channel.lost,
                "errors": channel.errors,
                "blocked": channel.blocked + self._pump.blocked_now(channel),
            }
            for name, channel in self._channels.items()
        }

    def troubles(self) -> dict[str, dict[str, Any]]:
        """Which of ``stdout`` and ``stderr`` have lost output, or have a stream that is stuck at this moment.

        ``to`` says what the stream is; ``dropped`` is how many bytes were lost since it is there; ``stuck`` is for
        how many seconds it has taken nothing, None while it takes output.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, channel in self._channels.items():
            sink, stuck = channel.route.sink, self._pump.stuck_now(channel)
            dropped = channel.lost - self._lost_before[name]
            if sink is not None and (dropped or stuck):
                found[name] = {"dropped": dropped, "to": _describe(sink), "stuck": round(stuck, 3) or None}
        return found

    # -- pipes -----------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Read all pipes that are known; returns how many were not read before."""
        self.running = True
        waiting = [fd for fd in self.pipes if fd not in self._active]
        return sum(self._activate(fd) for fd in waiting)

    def stop(self) -> int:
        """Read nothing any more, and let go of pipes that outlived their workers; returns how many were read.

        What was already read reaches its stream before this returns, unless that stream is stuck.
        """
        self.running = False
        count = len(self._active)
        pipes = [*self._active.values(), *self._adopted]
        before = self._overflowed()
        for pipe in pipes:
            self._pump.remove(pipe)
        if (given_up := self._overflowed() - before) > 0:
            logger.warning("%d bytes of output were given up: their stream is stuck", given_up)
        self._active.clear()
        self._adopted.clear()
        if pipes:
            self._pump.settle({pipe.channel.route.outlet for pipe in pipes})
        return count

    def add_redirections(self, process: Any) -> None:
        """Know the pipes of ``process`` and, when running, read them.

        :param process: has ``pid``, ``pipe_stdout``, ``pipe_stderr``, ``stdout`` and ``stderr``.
        """
        for name, pipe in self.get_process_pipes(process):
            try:
                fd = pipe.fileno()
            except ValueError:
                continue  # closed
            if fd in self._active:  # a pipe that was closed without a word; its number is used again
                self.remove_fd(fd)
            self.pipes[fd] = (name, process, pipe)
            if self.running:
                self._activate(fd)
        process.redirected = True

    def remove_redirections(self, process: Any) -> None:
        """Forget the pipes of ``process``; its files may be closed after this. What it left unread is lost:
        see
        :meth:`drain`."""
        for fd, (_, owner, _) in list(self.pipes.items()):
            if owner is process:
                self.remove_fd(fd)
        process.redirected = False
        for farewell in self.farewells:
            farewell(process)

    def remove_fd(self, fd: int) -> None:
        """Forget the pipe with this descriptor, if there is one."""
        self.pipes.pop(fd, None)
        pipe = self._active.pop(fd, None)
        if pipe is not None:
            self._pump.remove(pipe)

    def drain(self, process: Any, callback: Callable[[], object]) -> None:
        """Call ``callback()`` when all that the dead ``process`` wrote is with the streams.

        Called before this returns when there is nothing to wait for; else on the loop, and after a second
        even if a stream is stuck (its output stays in order, for later). A pipe that a grandchild still holds
        is read on, but not waited for. The files of ``process`` are not used any more when this returns.
        """
        # A pipe that the pump's thread forgets meanwhile has come to its end, and all of it was handed over.
        owned = [fd for fd, (_, owner, _) in list(self.pipes.items()) if owner is process]
        pipes = [pipe for fd in owned if (pipe := self._active.pop(fd, None)) is not None]
        for fd in owned:
            self.pipes.pop(fd, None)
        if not pipes:
            callback()
            return
        self._adopted.update(pipes)  # before the pump's thread can say that they have ended
        # A Tornado loop is accepted wherever a loop is.
        self._pump.drain(pipes, getattr(self.loop, "asyncio_loop", self.loop), callback)
        self._adopted -= {pipe for pipe in pipes if pipe.lane is None}

    @staticmethod
    def get_process_pipes(process: Any) -> Iterator[tuple[str, Any]]:
        """The (name, file) pairs of the outputs of ``process`` that are captured."""
        if process.pipe_stdout and process.stdout is not None:
            yield "stdout", process.stdout
        if process.pipe_stderr and process.stderr is not None:
            yield "stderr", process.stderr

    # -- inside ----------------------------------------------------------------------------------------------

    def _bind(self, name: str, sink: SinkCall | None) -> None:
        self.redirect[name] = sink
        self._pump.bind(self._channels[name], sink, self.buffer)

    def _overflowed(self) -> int:
        return sum(channel.overflowed for channel in self._channels.values())

    def _activate(self, fd: int) -> bool:
        name, process, file = self.pipes[fd]
        try:
            pipe = Pipe(file, process.pid, self._channels[name])
        except (OSError, ValueError) as error:
            logger.debug("the %s of pid %s is closed: %s", name, process.pid, error)
            del self.pipes[fd]
            return False
        pipe.on_end = self._forget
        self._active[fd] = pipe
        self._pump.add(pipe)
        return True

    def _forget(self, pipe: Pipe) -> None:
        """``pipe`` has ended; called on the pump's thread, so no step here may be one that can be torn."""
        self._adopted.discard(pipe)
        if self._active.get(pipe.fd) is pipe:
            self._active.pop(pipe.fd, None)
            self.pipes.pop(pipe.fd, None)


def _describe(sink: SinkCall) -> str:
    """What a sink is, in a few words: a built-in stream knows; of others it is the name of the class or function."""
    if isinstance(sink, Sink):
        return str(sink)
    return getattr(sink, "__qualname__", None) or type(sink).__qualname__
