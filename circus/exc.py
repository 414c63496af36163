"""The errors of Circus, each with the number it has on the wire.

Leaf of the house: imported by every floor, imports nothing. A type carries what the reader needs to mend the
matter: the offending name and value, not only a sentence. ``errno`` is the error code of spec wire.md section 3.
"""

from __future__ import annotations


class CircusError(Exception):
    """Base of all errors raised by Circus on purpose. ``errno`` is its code in a reply on the control endpoint."""

    errno = 5


class AlreadyExist(CircusError):
    """A watcher of that name (compared without case) exists; remove it or choose another name."""


class MessageError(CircusError):
    """A request names something unknown, lacks a property, or carries a value of a wrong type."""

    errno = 3


class CallError(CircusError):
    """A client got no answer to a call: it timed out, or the message could not be sent."""


class TransportError(CallError):
    """The daemon cannot be reached at an endpoint at all (refused, no such socket, bad address)."""


class ArgumentError(CircusError):
    """Wrong arguments on a command line; nothing was sent."""


class ConflictError(CircusError):
    """The daemon is doing something that excludes what was asked."""


class Superseded(ConflictError):
    """A waited-for wish was replaced by a newer one on the same watcher.

    :param wish: the command that was waiting, such as ``start``.
    :param by: the command that replaced it, such as ``stop``.
    :param watcher: the name of the watcher both are about.
    """

    def __init__(self, wish: str, by: str, watcher: str) -> None:
        super().__init__(f"{wish} of {watcher!r} was superseded by a newer {by} command")
        self.wish, self.by, self.watcher = wish, by, watcher


class OptionError(MessageError):
    """An option has an unknown name or a value that its table refuses.

    :param text: the whole sentence shown to the user (the texts of the wire are contractual).
    :param name: the option, as written.
    :param value: the refused value.
    """

    def __init__(self, text: str, name: str = "", value: object = None) -> None:
        super().__init__(text)
        self.name, self.value = name, value


class ConfigError(CircusError):
    """A configuration file has problems; ``problems`` lists all of them, each with file and line."""

    def __init__(self, text: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(text)
        self.problems = problems


class SpawnError(CircusError):
    """A worker could not be started.

    :param text: why, in the words of the operating system where there are any.
    :param watcher: name of its watcher.
    """

    def __init__(self, text: str, watcher: str = "") -> None:
        super().__init__(text)
        self.watcher = watcher


class HookError(CircusError):
    """A hook raised, or did not answer within its time limit."""

    def __init__(self, text: str, hook: str = "") -> None:
        super().__init__(text)
        self.hook = hook
