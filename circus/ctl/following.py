"""``circusctl events``: what happened to the watchers, and what happens.

Called by the application instead of sending the command's own message. The history of the daemon is all it prints from:
a live event only tells that there is something to ask for. So nothing is missed and nothing is told twice, whatever was
lost on the way; and where the event endpoint cannot be reached, asking now and then does.
"""

from __future__ import annotations

import sys
import time

from circus.ctl.arguments import BadValue
from circus.ctl.errand import ask, tolerate
from circus.ctl.eventtext import EventText
from circus.ctl.notices import Notices
from circus.ctl.render import wants_colour
from circus.ctl.selection import Selection
from circus.ctl.tailrequest import count_option
from circus.exc import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TextIO

    from circus.ctl.feed import Feed

#: Events asked for at once when all are wanted. The daemon's memory of them is about that long.
PAGE = 2000
#: Seconds between two questions to a daemon whose events cannot be heard; and to one whose events can, in case the
#: last one was dropped on the way.
_POLL_EVERY, _MAKE_SURE_EVERY = 2.0, 30.0
#: Seconds after a connection at which it is asked again: it may have taken effect after the first answer.
_AGAIN_AFTER = (0.3, 1.5)
#: Seconds between two questions at least, however many events there are.
_PACE = 0.05
#: Seconds between two tries to reach a daemon that is gone.
_RETRY_EVERY = 0.5


class EventsRequest:
    """What a command line asks for.

    :param words: watchers; none for all.
    :param opts: the options of the command line by name.
    :raises BadValue: one of them makes no sense.
    """

    def __init__(self, words: list[str], opts: Mapping[str, Any]) -> None:
        self.words = words
        self.selection = Selection(words)
        self.follow = bool(opts.get("follow"))
        self.since = _since(opts.get("since"))
        default = PAGE if self.since is not None else 10 if self.follow else 100
        self.lines = count_option(opts.get("lines"), default)

    def admits(self, event: Mapping[str, Any]) -> bool:
        """Is it an event of a watcher that is asked for?"""
        return event.get("watcher") in self.selection or event.get("res_name") in self.selection


def _since(text: str | None) -> int | float | None:
    if text is None:
        return None
    from circus.ctl.moment import parse_event_moment

    try:
        since = parse_event_moment(text)
    except ValueError as error:
        raise BadValue("since", str(error)) from None
    return max(since - 1, 0) if isinstance(since, int) else since  # the daemon tells what comes after a number


class History:
    """Prints the events a request asks for.

    :param request: what is asked for.
    :param ask: sends a request of the command ``events`` with given properties and returns the reply.
    :param text: how events look.
    :param out: where events go; ``err``: where notices go.
    """

    def __init__(
        self,
        request: EventsRequest,
        ask: Callable[[dict[str, Any]], dict[str, Any]],
        text: EventText,
        out: TextIO,
        err: TextIO,
    ) -> None:
        self._request, self._ask, self._text, self._out = request, ask, text, out
        self.notices = Notices(err)
        #: Which daemon told the last time, the numbers of the oldest event it knew, and of the newest.
        self._daemon: object = None
        self._first = self._last = 0

    def show_past(self) -> dict[str, Any] | None:
        """Print the newest events.

        :returns: the reply if it is an error; nothing was printed then.
        """
        for word in self._request.words if len(self._request.words) > 1 else ():
            reply = self._ask({"name": word, "limit": 1})
            if reply.get("status") == "error":
                return reply
        events, refused = self._collect(self._request.since)
        if refused is not None:
            return refused
        events = events[-self._request.lines :] if self._request.lines else []
        self._text.fit(events)
        self._out.write(self._text.head())
        self._print(events)
        return None

    def _collect(self, since: int | float | None) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """All events of the selection after ``since``; and the reply if it is an error.

        Without ``since`` the newest, as many as are asked for at least.
        """
        found: list[dict[str, Any]] = []
        while True:
            # One name is the daemon's to find, and to refuse; it knows nothing of patterns.
            words = self._request.words
            props: dict[str, Any] = {"name": words[0]} if len(words) == 1 and not _is_pattern(words[0]) else {}
            props["limit"] = PAGE if since is not None or words else max(self._request.lines, 1)
            if since is not None:
                props["since"] = since
            reply = self._ask(props)
            if reply.get("status") == "error":
                return found, reply
            events = reply.get("events", [])
            found += [event for event in events if self._request.admits(event)]
            self._daemon, self._first = reply.get("daemon"), int(reply.get("first") or 0)
            newest = int(reply.get("last") or 0)
            if since is None or len(events) < props["limit"] or events[-1]["seq"] >= newest:
                self._last = newest
                return found, None
            since = events[-1]["seq"]

    def _print(self, events: list[dict[str, Any]]) -> None:
        self._out.write("".join(map(self._text.render, events)))
        self._out.flush()

    def follow(self, feed: Feed, endpoint: str) -> None:
        """Print what happens, for ever.

        :param feed: subscribed to the events; the past has been shown.
        :param endpoint: the daemon's, for notices.
        """
        gone, up, connections = False, feed.up, feed.connections
        again = [time.monotonic() + after for after in _AGAIN_AFTER]
        asked_at = 0.0
        while True:
            every = _RETRY_EVERY if gone else _MAKE_SURE_EVERY if feed.up else _POLL_EVERY
            messages = feed.read(min([asked_at + every, *again]) - time.monotonic())
            now = time.monotonic()
            if feed.connections != connections or feed.up != up:
                up, connections = feed.up, feed.connections
                again = [now, *(now + after for after in _AGAIN_AFTER)]
            elif messages:
                again = sorted([max(now, asked_at + _PACE), *again[-len(_AGAIN_AFTER) :]])
            if now < min([asked_at + every, *again]):
                continue
            again = [at for at in again if at > now]
            try:
                self._catch_up(endpoint)
            except CallError:
                if not gone:
                    self.notices.tell(f"{endpoint} does not answer; waiting for it to come back")
                gone = True
            else:
                if gone:
                    self.notices.tell(f"{endpoint} is back")
                gone = False
            asked_at = time.monotonic()

    def _catch_up(self, endpoint: str) -> None:
        """Print what has happened since the last question. :raises CallError: no answer."""
        daemon, last = self._daemon, self._last
        events, refused = self._collect(last)
        if self._daemon != daemon:
            self.notices.tell(f"{endpoint} was started anew; its events are numbered from 1 again")
            events, refused = self._collect(0)
        elif self._first > last + 1:
            self.notices.tell(f"{self._first - last - 1} events are gone: the daemon has forgotten them")
        if refused is None:
            self._print(events)


def _is_pattern(word: str) -> bool:
    return any(character in word for character in "*?[")


def run_events(
    words: list[str], opts: Mapping[str, Any], client: Any, ssh: tuple[str | None, str | None]
) -> dict[str, Any] | None:
    """Carry out ``circusctl events``.

    :param words: the arguments; ``opts``: the options.
    :param client: a client of the daemon.
    :param ssh: server and key file for the subscription.
    :returns: the daemon's refusal, or None when all was shown.
    :raises CallError: no reply.
    :raises BadValue: an option makes no sense.
    """
    request = EventsRequest(words, opts)
    text = EventText(
        colour=wants_colour(sys.stdout) and not opts.get("no_color"), as_json=bool(opts.get("json"))
    )
    tolerate(sys.stdout)
    history = History(request, lambda props: ask(client, "events", props), text, sys.stdout, sys.stderr)
    if not request.follow:
        return history.show_past()
    from circus.ctl.feed import Feed
    from circus.ctl.listening import ask_pubsub_endpoint

    # All events, not only those of the selection: they are few, and one name may begin like another.
    with Feed(ask_pubsub_endpoint(client), ["watcher."], *ssh) as feed:
        refused = history.show_past()
        if refused is None:
            history.follow(feed, client.endpoint)
        return refused
