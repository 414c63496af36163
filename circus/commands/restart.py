"""The ``restart`` command, and what start, stop and restart share: finding watchers, acting on several."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused, derive, find_watcher
from circus.commands.checks import expect_arguments
from circus.exc import ArgumentError, MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The command-line option that start, stop and restart have in common.
match_options = [("", "match", "glob", "how NAME is compared with watcher names: simple, glob or regex")]


class Restart(Command):
    """Restart the arbiter or a watcher

    Stops and starts one watcher, or those that match a pattern. Without a name the whole daemon starts over,
    in the same process: everything is stopped, the configuration file is read again, everything is started. A
    file with errors is refused and nothing is touched.

    Message
    -------

    ``match`` tells how ``name`` is compared with the names of watchers, ignoring case: ``glob`` (the
    default), ``simple`` or ``regex`` (anchored at the beginning). With ``waiting`` the reply comes when
    the new processes run; for the whole daemon it comes when everything has been stopped::

        {"command": "restart", "properties": {"name": "web", "match": "glob", "waiting": true}}

    Reply
    -----

    When waiting, and exactly one watcher matches, ``info`` lists pids::

        {"status": "ok", "time": 1795288292.0, "info": {"stopped": [12], "started": [34], "kept": []}}

    Command line
    ------------

    ::

        $ circusctl restart [NAME] [--waiting] [--match simple|glob|regex]
    """

    name = "restart"
    options = [*Command.waiting_options, *match_options]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "Invalid number of arguments")
        return self.make_message(name=args[0], **opts) if args else self.make_message(**opts)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        cause = self.cause(props)
        return execute_watcher_start_stop_restart(
            arbiter,
            props,
            "restart",
            lambda found: restart_matched(arbiter, found, cause),
            lambda: caused(arbiter.restart, cause)(inside_circusd=True),
            cause,
        )

    def ends_daemon(self, props: dict[str, Any]) -> bool:
        return "name" not in props


def execute_watcher_start_stop_restart(
    arbiter: Any,
    props: dict[str, Any],
    watcher_method: str,
    on_matched: Callable[[list[Any]], Any],
    on_everything: Callable[[], Any],
    cause: str,
) -> Any:
    """Act on the one watcher, the several, or all, that a request means.

    :param watcher_method: name of the method for exactly one match; its result becomes ``info``.
    :param on_matched: called with the watchers when there are several.
    :param on_everything: called when the request names none.
    :param cause: who wants it.
    :returns: a future of the fields of the reply.
    :raises MessageError: nothing matches, or the way of matching is unknown.
    """
    if "name" not in props:
        return bare(on_everything())
    found = find_watchers(arbiter, props["name"], props.get("match") or "glob")
    if len(found) == 1:
        method = caused(getattr(found[0], watcher_method), cause)
        return derive(method(), lambda info: {"info": info})
    return bare(on_matched(found))


# -- which watchers -----------------------------------------------------------------------------------


def find_watchers(arbiter: Any, pattern: object, method: object) -> list[Any]:
    """The watchers that ``pattern`` means, at least one (spec wire.md 4).

    :raises MessageError: ``program <pattern> not found``, or ``unknown match method <method>``.
    :raises ArgumentError: the pattern is not text, or not a regular expression.
    """
    if method not in ("simple", "glob", "regex"):
        raise MessageError(f"unknown match method {method if isinstance(method, str) else quote(method)}")
    if not isinstance(pattern, str):
        raise ArgumentError(f"the name of a watcher is a string, not {quote(pattern)}")
    if method == "simple":
        return [find_watcher(arbiter, pattern)]
    matches = _matcher(pattern, method)
    watchers = list(arbiter.watchers)
    found = [watcher for watcher in watchers if matches(watcher.name)]
    if found:
        return found
    # "one_two" means "One Two", as in topics; and a name may itself contain characters of a pattern.
    try:
        return [find_watcher(arbiter, pattern)]
    except MessageError:
        found = [watcher for watcher in watchers if matches(getattr(watcher, "res_name", watcher.name))]
        if not found:
            raise
        return found


def _matcher(pattern: str, method: object) -> Callable[[str], bool]:
    import fnmatch  # both kept off the way of circusctl
    import re

    if method == "glob":
        lowered = pattern.lower()
        return lambda name: fnmatch.fnmatchcase(name.lower(), lowered)
    try:
        # Lower-casing the pattern instead would turn \S into \s.
        expression = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as failure:
        raise ArgumentError(str(failure)) from None
    return lambda name: expression.match(name) is not None


# -- acting on several --------------------------------------------------------------------------------


def stop_matched(arbiter: Any, found: list[Any], cause: str) -> Any:
    """Stop watchers, all at the same time."""
    return caused(arbiter.stop_watchers, cause)(watcher_iter_func=_selection(arbiter, found))


def start_matched(arbiter: Any, found: list[Any], cause: str) -> Any:
    """Start watchers in the order of their priority, those without ``autostart`` too: they were asked for."""
    return caused(arbiter.start_watchers, cause)(watcher_iter_func=_selection(arbiter, found))


def restart_matched(arbiter: Any, found: list[Any], cause: str) -> Any:
    """Stop watchers at the same time, start them in the order of their priority.

    One that is stopped and has no ``autostart`` is left alone: nobody wants it to run at the moment.
    """
    chosen = [watcher for watcher in found if getattr(watcher, "autostart", True) or not watcher.is_stopped()]
    return caused(arbiter.restart, cause)(watcher_iter_func=_selection(arbiter, chosen))


def _selection(arbiter: Any, chosen: list[Any]) -> Callable[..., list[Any]]:
    """What the arbiter's group operations iterate over: the chosen ones, in the direction they ask for."""

    def iterate(reverse: bool = True) -> list[Any]:
        return [watcher for watcher in arbiter.iter_watchers(reverse=reverse) if watcher in chosen]

    return iterate
