"""``circusctl tail``: the output of workers, of the past and as it comes.

Called by the application instead of sending the command's own message. Without ``--follow`` it is one request. With
it, the subscription comes first, then the request, and :mod:`circus.ctl.splice` joins both; when the connection was
lost, or the daemon restarted, the request is repeated.
"""

from __future__ import annotations

import math
import sys
import time

from circus.ctl import quickjson
from circus.ctl.errand import ask, is_terminal, tolerate
from circus.ctl.notices import Notices
from circus.ctl.outputtext import OutputText, Source, label_of
from circus.ctl.render import wants_colour
from circus.ctl.splice import Splice, lines_within
from circus.ctl.tailrequest import ALL, TailRequest
from circus.exc import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TextIO

    from circus.ctl.feed import Feed

#: Seconds that a subscription may take before lines are shown without it, and a daemon that came back to answer.
PATIENCE = 3.0
#: Seconds after a connection at which it is asked again what came meanwhile: a daemon under load may take in the
#: request before the subscription.
_AGAIN_AFTER = (0.3, 1.5)
#: Seconds between two tries to ask a daemon that came back.
_RETRY_EVERY = 0.1
#: Seconds without anything of a stream after which nothing of it is on its way any more.
_QUIET = 1.0


class Tail:
    """Prints the lines a request asks for.

    :param request: what is asked for.
    :param ask: sends a request, of a command with properties, and returns the reply.
    :param text: how lines look.
    :param out: where lines go; ``err``: where notices go.
    """

    def __init__(
        self,
        request: TailRequest,
        ask: Callable[[str, dict[str, Any]], dict[str, Any]],
        text: OutputText,
        out: TextIO,
        err: TextIO,
    ) -> None:
        self._request, self._ask, self._text = request, ask, text
        self._out = out
        self.notices = Notices(err)
        self._splice = Splice()
        self._heard_at: float | None = None
        self._daemon: object = None
        #: Instants at which it is asked what was missed; the one at which it is asked what was lost, and up to when
        #: that is known.
        self._due: list[float] = []
        self._check_at, self._checked_at = math.inf, 0.0
        self._backlog = 0

    def show_past(self) -> dict[str, Any] | None:
        """Ask, and print the newest lines.

        :returns: the reply if it is an error; nothing was printed then.
        """
        if self._request.follow:  # whose lines these are: it may be gone when they were shown
            self._is_another_daemon()
        reply = self._ask("tail", self._request.properties())
        if reply.get("status") == "error":
            return reply
        self._told_at(reply)
        self._text.expect(name for name, captured in reply.get("captured", {}).items() if captured)
        self._print_past(self._request.newest(self._splice.unseen(reply)))
        self._tell_uncaptured(reply)
        return None

    def follow(self, feed: Feed, endpoint: str) -> None:
        """Print what comes, for ever.

        :param feed: subscribed to the topics of the request; the past has been shown.
        :param endpoint: the daemon's, for notices.
        """
        connections, waits_until = feed.connections, time.monotonic() + PATIENCE
        was_up = connections > 0  # also when it has been lost meanwhile, which is still to be told
        self._ask_again(_AGAIN_AFTER)
        while True:
            messages = feed.read(self._idle_for())
            if was_up and not feed.up:
                self._show(messages)
                messages = []
                self._splice.interrupt()
                self.notices.tell(f"the connection to {endpoint} was lost; waiting for it to come back")
            if feed.connections != connections:
                if connections:
                    self._come_back(endpoint)
                self._ask_again(_AGAIN_AFTER)
            connections, was_up = feed.connections, feed.up
            self._show(messages)
            if not feed.waiting:
                self._do_what_is_due()
            self._suspect(len(messages), feed)
            self.notices.flush(idle=not messages)
            if not connections and time.monotonic() > waits_until:
                waits_until = math.inf
                self.notices.tell(f"no connection to the live output at {feed.endpoint} yet; still trying")

    # -- when to ask again -------------------------------------------------------------------------------------

    def _ask_again(self, after: Iterable[float]) -> None:
        """Ask what was missed so many seconds from now."""
        now = time.monotonic()
        self._due = [now + each for each in after]

    def _idle_for(self) -> float:
        """Seconds until something is to be done even if nothing comes."""
        limit = 0.25 if self.notices.pending else 1.0
        soonest = min([*self._due, self._check_at])
        return min(max(soonest - time.monotonic(), 0.0), limit)

    def _do_what_is_due(self) -> None:
        """Ask again if it is time. There is no message that was not shown: a reply must not overtake one."""
        now = time.monotonic()
        if self._due and now >= self._due[0]:
            self._due.pop(0)
            self._catch_up()
        elif now >= self._check_at:
            self._check_at = math.inf
            # Of streams that go on, the next batch tells what was lost.
            since = self._splice.interrupt(after=self._checked_at, before=now - 0.9 * _QUIET)
            if since is not None:
                self._catch_up(since)
            self._checked_at = now - _QUIET

    def _suspect(self, count: int, feed: Feed) -> None:
        """Count messages that were there at once. When there was no room for more, the last ones may have been lost,
        and nothing that comes tells of that: so it is asked, as soon as nothing can be on its way any more.
        """
        self._backlog += count
        if feed.waiting:
            return
        if self._backlog >= feed.capacity and self._check_at == math.inf:
            self._check_at = time.monotonic() + _QUIET
        self._backlog = 0

    def _come_back(self, endpoint: str) -> None:
        """Show what came while there was no connection, before anything live."""
        deadline = time.monotonic() + PATIENCE
        while True:  # the event endpoint may be there a little before the other one
            try:
                restarted = self._is_another_daemon()
                break
            except CallError:
                if time.monotonic() > deadline:
                    return
                time.sleep(_RETRY_EVERY)
        self.notices.tell(f"{endpoint} is back{', started anew' if restarted else ''}")
        if restarted:  # in a container its workers may even have the same pids
            self._splice = Splice()
            self._heard_at = None
        self._catch_up()

    def _is_another_daemon(self) -> bool:
        """Does another run of a daemon answer than the last time? :raises CallError: none does."""
        before, self._daemon = self._daemon, self._ask("events", {"limit": 1}).get("daemon")
        return before not in (None, self._daemon)

    def _catch_up(self, since: float | None = None) -> None:
        """Print what the daemon has and was not printed.

        :param since: by the daemon's clock, instead of what was heard last.
        """
        try:
            reply = self._ask("tail", self._request.properties(ALL, self._heard_at if since is None else since))
        except CallError:
            return  # it is gone, or busy; what is missing is found out with the next batch of its stream
        if reply.get("status") == "error":
            self.notices.tell(str(reply.get("reason")))  # a daemon that came back without these watchers
            return
        self._told_at(reply)
        for line, size in self._splice.missing(reply):
            self._tell_gone(_source_of(line), size)
        lines = self._splice.unseen(reply)
        if self._request.matches is not None:
            lines = [line for line in lines if self._request.matches(line["text"])]
        self._print_past(lines)

    def _told_at(self, reply: Mapping[str, Any]) -> None:
        """Remember, by the daemon's clock, when it was last asked. A little earlier does no harm."""
        if isinstance(reply.get("time"), int | float):
            self._heard_at = reply["time"] - 1

    def _print_past(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._out.write(
            "".join(
                [
                    self._text.render(_source_of(line), line["time"], [line["text"]])
                    for line in lines
                ]
            )
        )
        self._out.flush()

    def _show(self, messages: list[tuple[bytes, bytes]]) -> None:
        """Print live batches, in the order of their times: each watcher has its own pace of publishing."""
        if not messages:
            return
        for batch in in_time(decode_batch(message) for message in messages):
            if self._request.admits(batch):
                self._show_batch(batch)
        self._out.flush()

    def _show_batch(self, batch: Mapping[str, Any]) -> None:
        source = _source_of(batch)
        lines, lost, gap = self._splice.live(batch, time.monotonic())
        self._heard_at = batch["time"] - 1
        if gap is not None:
            self._fill(source, gap)
        skipped = batch.get("lost", 0) if lines else 0
        self.notices.lose(label_of(source), max(lost - skipped, 0), skipped)
        if self._request.matches is not None:
            lines = list(filter(self._request.matches, lines))
        self._out.write(self._text.render(source, batch["time"], lines))

    def _fill(self, source: Source, gap: Any) -> None:
        """Ask for what came between the last reply and the first batch of a stream."""
        props = {"name": source.watcher, "pid": source.pid, "stream": source.stream, "lines": ALL}
        try:
            lines, missing = lines_within(self._ask("tail", props), gap)
        except CallError:
            lines, missing = [], gap.end - gap.begin
        if self._request.matches is not None:
            lines = [line for line in lines if self._request.matches(line["text"])]
        self._print_past(lines)
        if missing:
            self._tell_gone(source, missing)

    def _tell_gone(self, source: Source, size: int) -> None:
        self.notices.tell(f"{label_of(source)}: {size} bytes of output lost")

    def _tell_uncaptured(self, reply: Mapping[str, Any]) -> None:
        captured = reply.get("captured", {})
        missing = sorted(name for name, is_so in captured.items() if not is_so)
        # Who asked for all wants those there are; who follows would wait in vain.
        if missing and (self._request.selection.words or (self._request.follow and len(missing) == len(captured))):
            self.notices.tell(
                f"not captured: {', '.join(missing)} (give stdout_stream.class, or capture = true in [circus])"
            )


def decode_batch(message: tuple[bytes, bytes]) -> dict[str, Any] | None:
    """A message as a batch of output; None if it is something else."""
    topic, payload = message
    if not topic.startswith(b"output."):
        return None
    try:
        batch = quickjson.loads(payload)
    except ValueError:
        return None
    if not isinstance(batch, dict) or not _KEYS.issubset(batch):
        return None
    return batch


def _source_of(told: Mapping[str, Any]) -> Source:
    """Of a batch, or of a line of the past."""
    return Source(told["watcher"], told["wid"], told["pid"], told["stream"])


def in_time(batches: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Batches in the order of their times; those of one stream stay in theirs, also when a clock was set back."""
    newest: dict[tuple[int, str], float] = {}
    found: list[tuple[float, dict[str, Any]]] = []
    for batch in batches:
        if batch is not None:
            key = batch["pid"], batch["stream"]
            newest[key] = at = max(newest.get(key, 0.0), batch["time"])
            found.append((at, batch))
    found.sort(key=lambda each: each[0])
    return [batch for _, batch in found]


_KEYS = frozenset(("watcher", "res_name", "wid", "pid", "stream", "time", "offset", "seq", "lines"))


def run_tail(
    words: list[str], opts: Mapping[str, Any], client: Any, ssh: tuple[str | None, str | None]
) -> dict[str, Any] | None:
    """Carry out ``circusctl tail``.

    :param words: the arguments; ``opts``: the options.
    :param client: a client of the daemon.
    :param ssh: server and key file for the subscription.
    :returns: the daemon's refusal, or None when all was shown.
    :raises CallError: no reply.
    :raises BadValue: an option makes no sense.
    """
    request = TailRequest(words, opts)
    terminal = is_terminal(sys.stdout) and not opts.get("json")
    text = OutputText(
        colour=wants_colour(sys.stdout) and not opts.get("no_color"),
        timestamps=bool(opts.get("timestamps")),
        as_json=bool(opts.get("json")),
        terminal=terminal,
    )
    tolerate(sys.stdout)
    tail = Tail(request, lambda command, props: ask(client, command, props), text, sys.stdout, sys.stderr)
    if not request.follow:
        return tail.show_past()
    from circus.ctl.listening import ask_pubsub_endpoint

    endpoint = ask_pubsub_endpoint(client)
    from circus.ctl.feed import Feed

    with Feed(endpoint, request.selection.topics("output"), *ssh) as feed:
        feed.await_connection(PATIENCE)
        refused = tail.show_past()
        if refused is None:
            tail.follow(feed, client.endpoint)
        return refused
