"""Output streams: where the standard output and error of workers go (spec plugins-hooks-streams.md 3).

The face of the package: :func:`get_stream` turns a stream's options into an object, for watchers; the classes
are found on first use (PEP 562), so that a daemon without streams loads none of them. Must not know watchers.

Streams are called on the thread of :mod:`circus.stream.pump`, never two calls of one stream at a time; their
``open()`` and ``close()`` are called on the thread of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circus.stream.file_stream import FileStream, TimedRotatingFileStream, WatchedFileStream
    from circus.stream.queue_stream import Empty, Queue, QueueStream
    from circus.stream.redirector import Redirector
    from circus.stream.stdout_stream import FancyStdoutStream, StdoutStream

__all__ = [
    "Empty",
    "FancyStdoutStream",
    "FileStream",
    "Queue",
    "QueueStream",
    "Redirector",
    "StdoutStream",
    "TimedRotatingFileStream",
    "WatchedFileStream",
    "get_stream",
]

_STREAM_CLASSES = {
    "FancyStdoutStream": "stdout_stream",
    "FileStream": "file_stream",
    "QueueStream": "queue_stream",
    "StdoutStream": "stdout_stream",
    "TimedRotatingFileStream": "file_stream",
    "WatchedFileStream": "file_stream",
}
_PLACES = {**_STREAM_CLASSES, "Empty": "queue_stream", "Queue": "queue_stream", "Redirector": "redirector"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'circus.stream' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"circus.stream.{_PLACES[name]}"), name)
    return found


def get_stream(
    conf: Mapping[str, Any] | None, reload: bool = False
) -> Callable[[dict[str, Any]], Any] | None:
    """The stream that ``conf`` describes; ``conf`` is left as it is.

    :param conf: ``class`` (one of the built-in names, or a dotted name of any callable that makes a stream)
        with the options of that class; or ``stream``, a ready object; or ``filename`` with options of
        ``FileStream``.
    :param reload: run the code of a custom class's module again before taking the class from it.
    :returns: a callable taking ``{"data", "pid", "name"}``, or None when ``conf`` is empty or None.
    :raises ValueError: for an unknown built-in name, an unusable option, or when ``conf`` has none of the
        three keys.
    :raises ImportError: when a dotted name leads to nothing.
    """
    if not conf:
        return None
    if "class" in conf:
        options = {key: _plain_number(key, value) for key, value in conf.items() if key != "class"}
        stream: Callable[[dict[str, Any]], Any] = _find_class(conf["class"], reload)(**options)
        return stream
    if "stream" in conf:
        given: Callable[[dict[str, Any]], Any] | None = conf["stream"]
        return given
    if "filename" in conf:
        from circus.stream.file_stream import FileStream  # kept off the start path

        return FileStream(**{key: _plain_number(key, value) for key, value in conf.items()})
    raise ValueError("stream configuration invalid")


def _plain_number(key: str, value: Any) -> Any:
    """Sizes and counts as numbers: a file may say ``max_bytes = 10M``."""
    if key in ("max_bytes", "buffer", "backup_count") and isinstance(value, str):
        from circus.model.options import STREAM  # kept off the start path of daemons without streams

        option = STREAM.find(key)
        try:
            return option.kind.parse(value) if option is not None else value
        except ValueError:
            return value  # the stream itself says what it expects
    return value


def _find_class(name: Any, reload: bool) -> Callable[..., Any]:
    if callable(name):  # an embedding program gave the class itself
        return name  # type: ignore[no-any-return]
    if "." not in name:
        if name not in _STREAM_CLASSES:
            raise ValueError(f"unknown stream class {name!r}; built in are {', '.join(_STREAM_CLASSES)}")
        return __getattr__(name)  # type: ignore[no-any-return]
    from circus.base.imports import resolve_name  # kept off the start path: built-in classes do not need it

    return resolve_name(name, reload=reload)  # type: ignore[no-any-return]
