"""Who wants something, handed to methods that can take it.

Methods that change what runs take ``cause``, words for people that go into events and the story of a watcher. Programs
override such methods in the way of Circus 0.19, without it; they must go on working.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def caused(method: Callable[..., Any], cause: str) -> Callable[..., Any]:
    """``method`` with ``cause=cause`` where it has a parameter of that name, else ``method`` itself."""
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None or "cause" not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return method

    def with_cause(*args: Any, **kwargs: Any) -> Any:
        return method(*args, cause=cause, **kwargs)

    return with_cause
