"""What a command is: a word of the control protocol, spoken on both sides of the wire.

One class holds both halves, so that they cannot drift apart: the client half turns command-line arguments
into a message and a reply into text, the server half checks properties and acts on the arbiter.
``circusctl`` calls :meth:`Command.message` and :meth:`Command.console_msg`; the controller calls
:meth:`Command.validate` and :meth:`Command.execute`. A command knows the public methods of Arbiter and
Watcher, and nothing of sockets.

A third-party command is a subclass of :class:`Command`, imported before ``get_commands()`` is called.
``circusctl`` imports this module on its way to a first answer in a few milliseconds: it must stay light.
"""

from __future__ import annotations

from circus.base.causes import caused
from circus.exc import ArgumentError, MessageError
from circus.model.messages import error, ok, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar

    CliOption = tuple[str, str, Any, str]

__all__ = ["KNOWN_COMMANDS", "Command", "CommandMeta", "bare", "caused", "derive", "error", "find_watcher", "ok"]

#: Every command class, in the order of definition. Filled by :class:`CommandMeta`.
KNOWN_COMMANDS: list[type[Command]] = []


class CommandMeta(type):
    """Enters each subclass of :class:`Command` in :data:`KNOWN_COMMANDS` and derives its manual text."""

    order: int
    desc: str
    short: str

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(name, bases, namespace, **kwargs)
        if not any(isinstance(base, CommandMeta) for base in bases):
            return  # Command itself is no command
        cls.order = len(KNOWN_COMMANDS)
        cls.desc = _dedent(namespace.get("__doc__") or "")
        cls.short = cls.desc.partition("\n")[0]
        KNOWN_COMMANDS.append(cls)  # type: ignore[arg-type]


def _dedent(text: str) -> str:
    """The docstring without the indentation of the source (importing ``inspect`` would take too long)."""
    first, *rest = text.expandtabs().strip().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[margin:].rstrip() for line in rest)])


class Command(metaclass=CommandMeta):
    """Base of all commands; the docstring of a subclass is its manual text, the first line its summary."""

    #: The command word.
    name: ClassVar[str | None] = None
    #: ``dealer``: sent to the control endpoint; ``sub``: the client subscribes to the event endpoint instead.
    msg_type: ClassVar[str] = "dealer"
    #: Command-line options ``(short, long, default, help)``; a default of type bool makes a switch.
    options: ClassVar[list[CliOption]] = []
    #: Properties a request must have, in the order in which they are missed.
    properties: ClassVar[list[str]] = []
    #: Informative: whether the command takes long.
    waiting: ClassVar[bool] = False
    #: The option of commands that take long.
    waiting_options: ClassVar[list[CliOption]] = [
        ("", "waiting", False, "reply when the operation has ended, with its outcome")
    ]

    # -- client side ----------------------------------------------------------------------------------

    def make_message(self, **props: Any) -> dict[str, Any]:
        """The request as a dict; a ``command`` among ``props`` replaces the command word."""
        command = props.pop("command", self.name)
        return {"command": command, "properties": props}

    def message(self, *args: str, **opts: Any) -> Any:
        """The request for a command line.

        :param args: positional arguments.
        :param opts: options by long name.
        :returns: a request, or for ``sub`` commands a list of topics.
        :raises ArgumentError: when the arguments make no sense; nothing is sent then.
        """
        raise NotImplementedError(f"command {self.name!r} has no command line")

    def console_error(self, msg: Mapping[str, Any]) -> str:
        """The text for a reply that reports an error."""
        return f"error: {msg.get('reason')}"

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        """The text for a reply."""
        return "ok" if msg.get("status") == "ok" else self.console_error(msg)

    # -- server side ----------------------------------------------------------------------------------

    def validate(self, props: dict[str, Any]) -> None:
        """Check the properties of a request; may normalise them in place.

        :raises MessageError: ``message invalid 'x' is missing``, or what a subclass finds wrong.
        """
        for name in self.properties:
            if name not in props:
                raise MessageError(f"message invalid {name!r} is missing")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        """Do it.

        :returns: the fields of the reply as a dict, a list (sent as ``results``), None, or a future of those
            for what takes time: then a client that is not ``waiting`` is answered ok at once.
        """
        raise NotImplementedError(f"command {self.name!r} cannot be executed")

    def cause(self, props: Mapping[str, Any]) -> str:
        """Who wants it, in words for the ``cause`` of events: ``stop command (circusctl root@host pid 123)``."""
        caller = getattr(props, "caller", "")  # of circus.model.messages.Properties
        return f"{self.name} command ({caller})" if caller else f"{self.name} command"

    def ends_daemon(self, props: dict[str, Any]) -> bool:
        """Whether this request takes the control endpoint down: when that happens, what was asked is done."""
        return False

    def _get_watcher(self, arbiter: Any, name: object) -> Any:
        """See :func:`find_watcher`."""
        return find_watcher(arbiter, name)

    def copy(self) -> Command:
        """A shallow copy."""
        twin: Command = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


def find_watcher(arbiter: Any, name: object) -> Any:
    """The watcher called ``name``, ignoring case; one with blanks also as it is written in topics.

    :raises MessageError: ``program <name> not found``.
    :raises ArgumentError: when the name is not even text.
    """
    if not isinstance(name, str):
        raise ArgumentError(f"the name of a watcher is a string, not {quote(name)}")
    try:
        return (arbiter.find if hasattr(arbiter, "find") else arbiter.get_watcher)(name)
    except KeyError:
        raise MessageError(f"program {name} not found") from None


def derive(future: Any, transform: Callable[[Any], Any]) -> Any:
    """A future of ``transform(result)``.

    Failure and cancellation pass through, and so does what ``transform`` raises. What is not a future (a fake
    watcher's None, a plain value) is transformed at once.
    """
    if not hasattr(future, "add_done_callback"):
        return transform(future)
    import asyncio  # kept off the start path; a future exists, so it is loaded

    derived: asyncio.Future[Any] = asyncio.Future(loop=future.get_loop())

    def settle(done: Any) -> None:
        if derived.cancelled():
            return
        if done.cancelled():
            derived.cancel()
        elif done.exception() is not None:
            derived.set_exception(done.exception())
        else:
            try:
                derived.set_result(transform(done.result()))
            except Exception as failure:  # a border: whatever it is belongs to whoever awaits the result
                derived.set_exception(failure)

    # What is known already must be known to the caller as well: a refusal is then reported at once.
    if future.done():
        settle(future)
    else:
        future.add_done_callback(settle)
    return derived


def bare(future: Any) -> Any:
    """A future that ends when the given one does, for a reply without fields; None without a future."""
    return derive(future, lambda _result: None)
