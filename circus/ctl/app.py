"""One command of circusctl, from its parsed arguments to what is printed and the exit status.

Called once by a one-shot circusctl, and for every line by its shell. It knows how commands are sent and how
replies, errors and time limits are told; what a command means only its class knows. Spec cli.md 2.
"""

from __future__ import annotations

import os
import sys

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.client_light import LightClient
from circus.ctl.arguments import CommandLineError, command_help
from circus.ctl.identity import caller
from circus.ctl.render import describe_failure, paint_states, paint_story, wants_colour, with_cause
from circus.exc import ArgumentError, CallError, CircusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circus.ctl.vocabulary import Commands

#: Exit statuses (spec cli.md 2).
OK, FAILED, BAD_OPTIONS, REFUSED = 0, 1, 2, 3


def control_endpoint(given: str | None) -> str:
    """``--endpoint``, else ``CIRCUSCTL_ENDPOINT``, else the default one."""
    return given or os.environ.get("CIRCUSCTL_ENDPOINT") or DEFAULT_ENDPOINT_DEALER


def make_client(options: dict[str, Any]) -> LightClient:
    """The client that the global options ask for. Nothing is connected yet."""
    return LightClient(
        control_endpoint(options["endpoint"]), options["timeout"], options["ssh"], options["ssh_keyfile"]
    )


class ControllerApp:
    """Carries out parsed command lines.

    :param commands: command word -> command.
    :param client: the client to use; without one, each command makes its own from the global options and
        closes it.
    """

    def __init__(self, commands: Commands, client: Any = None) -> None:
        self.commands = commands
        self.client = client

    def run(self, args: dict[str, Any]) -> int:
        """:meth:`dispatch`, with failures told on stderr.

        :param args: what ``parse_arguments`` returned; there is a command in it.
        :returns: the exit status.
        """
        try:
            return self.dispatch(args)
        except CommandLineError as error:
            sys.stderr.write(error.report())
            return BAD_OPTIONS
        except ArgumentError as error:
            sys.stderr.write(f"{error}\n")
        except CallError as error:
            sys.stderr.write(describe_failure(error))
        except (CircusError, ValueError, ImportError) as error:
            sys.stderr.write(f"error: {error}\n")
        return FAILED

    def dispatch(self, args: dict[str, Any]) -> int:
        """Send, or subscribe, or show the command's help; print the outcome.

        :raises CircusError: no outcome: wrong arguments, or no reply.
        """
        parsed = args["args"]
        command = self.commands[parsed.command]
        if parsed.command_help:
            sys.stdout.write(command_help(command))
            return OK
        if args["help"]:
            print(command.desc)
            return OK
        if command.msg_type == "local":
            status: int = command.run(parsed.args, {**parsed.opts, "json": args["json"] or parsed.opts.get("json")})
            return status
        if parsed.command in ("tail", "events", "why"):
            from circus.ctl.clientoptions import client_options

            ours = [long.replace("-", "_") for _, long, _, _ in client_options(command)]
            if ours:
                return self._handle_looking_back(command, args, ours)
        message = command.message(*parsed.args, **parsed.opts)
        if command.msg_type == "sub":
            return self.handle_sub(args, message)
        return self.handle_dealer(command, args, message)

    def handle_sub(self, args: dict[str, Any], topics: list[str]) -> int:
        """Print events until interrupted."""
        from circus.ctl.listening import find_pubsub_endpoint, print_events

        endpoint = args["endpoint"] if self.client is None else None
        if endpoint is None:
            client = self.client or make_client(args)
            try:
                endpoint = find_pubsub_endpoint(client)
            finally:
                if self.client is None:
                    client.stop()
        # Lines of workers appear among the events while somebody tails: only who asks for them wants them.
        hidden = () if args["args"].args else (b"output.",)
        print_events(topics, endpoint, args["ssh"], args["ssh_keyfile"], args["json"], hidden)
        return OK

    def _handle_looking_back(self, command: Any, args: dict[str, Any], ours: list[str]) -> int:
        """Carry out a command that has options for circusctl alone.

        :param ours: their names.
        """
        parsed = args["args"]
        opts = dict(parsed.opts)
        opts["json"] = args["json"] = bool(args["json"] or opts.get("json"))
        if command.name == "why":
            props = {name: value for name, value in opts.items() if name not in ours}
            return self.handle_dealer(command, args, command.message(*parsed.args, **props))
        run: Any
        if command.name == "tail":
            from circus.ctl.tailing import run_tail as run
        else:
            from circus.ctl.following import run_events as run
        client = self.client or make_client(args)
        try:
            refused = run(parsed.args, opts, client, (args["ssh"], args["ssh_keyfile"]))
        finally:
            if self.client is None:
                client.stop()
        return OK if refused is None else self._console(command, args, refused)

    def handle_dealer(self, command: Any, args: dict[str, Any], message: Any) -> int:
        """Send a request, or several, and print the replies."""
        client = self.client or make_client(args)
        try:
            if isinstance(message, list):
                return max((self._call(client, command, args, each["msg"]) for each in message), default=OK)
            return self._call(client, command, args, message)
        finally:
            if self.client is None:
                client.stop()

    def _call(self, client: Any, command: Any, args: dict[str, Any], message: dict[str, Any]) -> int:
        message.setdefault("caller", caller())
        waiting = bool(message.get("properties", {}).get("waiting"))
        if waiting and hasattr(client, "submit") and _is_terminal(sys.stderr):
            from circus.ctl.progress import call_with_progress

            label = " ".join([args["args"].command, *args["args"].args])
            reply = call_with_progress(client, message, label, sys.stderr)
        else:
            reply = client.call(message)
        if waiting and command.name == "quit" and hasattr(client, "wait_closed"):
            _await_end(client, reply)
        return self._console(command, args, reply)

    def _console(self, command: Any, args: dict[str, Any], reply: Any) -> int:
        """Print a reply. Errors go to stderr."""
        refused = isinstance(reply, dict) and reply.get("status") == "error"
        stream = sys.stderr if refused else sys.stdout
        if args["json"]:
            text = self._json(args, reply, stream)
        else:
            text = command.console_msg(reply)
            if refused:
                text = with_cause(text, reply)
            elif wants_colour(stream) and not args["args"].opts.get("no_color"):
                text = paint_story(text) if command.name == "why" else paint_states(text, reply)
        stream.write(f"{text}\n")
        return REFUSED if refused else OK

    def _json(self, args: dict[str, Any], reply: Any, stream: Any) -> str:
        if not args["prettify"]:
            from circus.ctl.quickjson import dumps

            return dumps(reply)
        from circus.ctl.render import prettify

        return prettify(reply, colour=wants_colour(stream))


def _await_end(client: Any, reply: dict[str, Any]) -> None:
    """After the reply to ``quit --waiting``, wait for the daemon's end.

    The reply leaves before the sockets are closed, and a script may start the next daemon right now.

    :raises CallError: it does not end.
    """
    if reply.get("status") == "ok" and not client.wait_closed(client.deadline()):
        raise CallError("circusd stopped everything, but has not ended yet")


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
