"""The options of a watcher while it lives: reported, read and changed one by one or several at once.

A base class of :class:`circus.watcher.Watcher`. What an option is and what a change of it asks for is said by the
option table; here it is put where the watcher reads it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus.base.causes import caused
from circus.base.convert import to_bool, to_gid, to_signum, to_uid
from circus.base.tasks import Ticket
from circus.exc import MessageError
from circus.hooks import load_hook
from circus.model.options import WATCHER, OnChange
from circus.model.steps import Wish
from circus.outputs import STREAMS


def make_stream(conf: Mapping[str, Any] | None) -> Any:
    """The sink a stream section describes; None for none."""
    if not conf:
        return None
    from circus.stream import get_stream  # only watchers with streams need it

    return get_stream(conf)

#: Options that are always reported; ours are reported where they were given.
_HISTORICAL: tuple[str, ...] = tuple(
    option.reported_name
    for option in WATCHER
    if option.reported and not option.family and option.since == "0.19"
)

_BOOLEANS = frozenset({
    "send_hup", "stop_children", "shell", "copy_env", "copy_path", "respawn", "singleton", "autostart", "on_demand",
    "use_sockets", "close_child_stdin", "close_child_stdout", "close_child_stderr",
})

_OWN_EXTRAS = frozenset({"reload_overlap", "hook_timeout", "circus_env", "listen_fds", "login_env", "capture",
                         "stop_exit_codes"})


class Adjustable:
    """A watcher whose options can be read and changed."""

    env: dict[str, str] | None
    rlimits: dict[str, Any]
    singleton: bool
    stderr_stream: Any
    stdout_stream: Any
    stream_redirector: Any
    _options: dict[str, Any]

    if TYPE_CHECKING:  # what the watcher itself provides

        def guard(self, operation: str) -> None: ...
        def is_stopped(self) -> bool: ...
        def notify_event(self, topic: str, msg: Mapping[str, Any]) -> None: ...
        def open_streams(self) -> None: ...
        def sink(self, stream: str) -> Any: ...
        def wish(self, wish: Wish, cause: str = "", **params: Any) -> Ticket: ...
        def _build_env(self, env: Mapping[str, str] | None) -> dict[str, str] | None: ...
        def _future(self, ticket: Ticket) -> Any: ...
        def _reload(self, graceful: bool = True, sequential: bool = False, cause: str = "reload") -> Any: ...
        def _set_hook(self, hook: str, target: Any, *, reload: bool = False) -> None: ...
        def _take_extras(self, options: dict[str, Any]) -> None: ...

    @property
    def optnames(self) -> tuple[str, ...]:
        """Names of the options that ``options`` reports: those of the table and the free-form ones."""
        extras = tuple(name for name in self._options if name not in _HISTORICAL)
        return _HISTORICAL + extras

    def get_option(self, name: str) -> Any:
        """The value of one reported option; KeyError when there is none of that name."""
        if name in self._options:
            return self._options[name]
        option = WATCHER.find(name)
        if name in _HISTORICAL or (option is not None and not option.family and hasattr(self, name)):
            return getattr(self, name)
        raise KeyError(name)

    def options(self, *args: Any) -> list[tuple[str, Any]]:
        """All reported options as sorted (name, value) pairs."""
        return [(name, self.get_option(name)) for name in sorted(self.optnames)]

    def set_opt(self, key: str, val: Any, cause: str = "set_opt() in a program") -> int:
        """Change one option and publish ``updated``.

        :param cause: who wants it.
        :return: what has to follow: -1 nothing, 0 a look at the processes, 1 a graceful reload.
        :raises ValueError: for a value that cannot be.
        """
        self.guard("watcher_set_opt")
        action = self._apply(key, val)
        self.notify_event("updated", {"time": time.time(), "option": key, "cause": cause})
        return action

    def set_options(self, options: Mapping[str, Any], cause: str = "set_options() in a program") -> Any:
        """Change several options at once: all are checked first, then applied, then one action follows.

        :return: Future, done when that action is.
        :raises MessageError: ValueError: when one of them is refused; then none was changed.
        """
        self.guard("watcher_set_opt")
        for key, value in options.items():
            self._coerce(key, value)
        set_opt = caused(self.set_opt, cause)
        action = max((set_opt(key, value) for key, value in options.items()), default=-1)
        return self._do_action(action, cause)

    def do_action(self, num: int) -> Any:
        """Carry out what :meth:`set_opt` asked for. :return: Future."""
        self.guard("watcher_do_action")
        return self._do_action(num, "do_action() in a program")

    def _do_action(self, num: int, cause: str) -> Any:
        if num < 0:
            nothing = Ticket("nothing")
            nothing.settle()
            return self._future(nothing)
        if num > 0 and not self.is_stopped():
            return self._reload(cause=cause)
        return self._future(self.wish(Wish.RESIZE, cause))

    def _coerce(self, key: str, val: Any) -> Any:
        """The value as it will be kept; raises for one that cannot be."""
        if key in ("numprocesses", "max_retry", "max_age", "max_age_variance", "priority"):
            val = int(val)
            if key == "numprocesses":
                if self.singleton and val > 1:
                    raise ValueError("Singleton watcher has a single process")
                val = max(0, val)
        elif key in ("warmup_delay", "graceful_timeout"):
            val = float(val)
        elif key == "stop_signal":
            val = to_signum(val)
        elif key == "uid" and val is not None:
            val = to_uid(val)
        elif key == "gid" and val is not None:
            val = to_gid(val)
        elif key.startswith("hooks."):
            try:
                load_hook(val)
            except ImportError:  # it may be new in a module that was edited since
                load_hook(val, reload=True)
        elif key in _BOOLEANS:
            val = to_bool(val)
        return val

    def _apply(self, key: str, val: Any) -> int:
        if key in self._options and WATCHER.find(key) is None:
            self._options[key] = val
            return -1
        val = self._coerce(key, val)
        head, dot, rest = key.partition(".")
        if head in ("stdout_stream", "stderr_stream"):
            return self._set_stream(head, {**(getattr(self, head + "_conf") or {}), rest: val} if dot else dict(val))
        if head == "hooks":
            for hook, target in ({rest: val} if dot else val).items():
                self._set_hook(hook, target, reload=True)
            return 0
        if key.startswith("rlimit_"):
            self.rlimits[key[len("rlimit_"):]] = val
            return 1
        option = WATCHER.find(key)
        if option is None:
            raise MessageError(f"unknown key {key!r}")
        if key == "env":
            self.env = dict(val)
        elif option.family:
            self._options[key] = val
            self._take_extras(self._options)
        else:
            if key in self._options:
                self._options[key] = val
            setattr(self, key, val)
            if key in ("copy_env", "copy_path"):
                self.env = self._build_env(self.env)
            elif key in _OWN_EXTRAS:
                self._options[key] = val
                self._take_extras(self._options)
                if key == "capture" and not self.is_stopped():
                    self._reopen_redirector()
        return {OnChange.NOTHING: -1, OnChange.RECONCILE: 0, OnChange.STREAM: 0}.get(option.on_change, 1)

    def _set_stream(self, which: str, conf: dict[str, Any]) -> int:
        """Swap one output stream; processes that have a pipe go on, others must be replaced to get one."""
        if "class" not in conf and "filename" not in conf and "stream" not in conf:
            conf["class"] = "FileStream"
        for number in ("max_bytes", "backup_count"):
            if isinstance(conf.get(number), str):
                conf[number] = int(conf[number])
        before = self.sink(which[: len("stdout")])
        stream = make_stream(conf)
        setattr(self, which + "_conf", conf)
        setattr(self, which, stream)
        if before is None:
            if not self.is_stopped():
                self._reopen_redirector()
            return 1
        if self.stream_redirector is not None:
            self.stream_redirector.change_stream(which[: len("stdout")], stream)
        if hasattr(before, "close"):
            before.close()
        return 0

    def _reopen_redirector(self) -> None:
        """Output is read that was not read before: processes to come will have a pipe."""
        if self.stream_redirector is None:
            self.open_streams()
            return
        for name in STREAMS:
            sink = self.sink(name)
            if sink is not None and sink is not self.stream_redirector.get_stream(name):
                self.stream_redirector.change_stream(name, sink)
