"""The ``circusctl`` program: one command for a daemon, or a shell for many.

``main`` is the console entry point; ``python -m circus.circusctl`` works too. Nothing that a one-shot command
does not use is imported: neither libzmq, nor argparse, nor the other commands. The parts are in
:mod:`circus.ctl`. Spec cli.md 2.
"""

from __future__ import annotations

import os
import sys

from circus.ctl.app import BAD_OPTIONS, FAILED, OK, ControllerApp, make_client
from circus.ctl.arguments import USAGE, VERSION, CommandLineError, main_help, parse_arguments
from circus.ctl.render import TIMEOUT_MSG, prettify
from circus.ctl.vocabulary import WithErrands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = [
    "TIMEOUT_MSG",
    "USAGE",
    "VERSION",
    "CircusCtl",  # noqa: F822 - found by __getattr__
    "ControllerApp",
    "main",
    "parse_arguments",
    "prettify",
    "run",
]


def __getattr__(name: str) -> Any:
    """The shell, on first use: a one-shot command does without it."""
    if name == "CircusCtl":
        from circus.ctl.shell import CircusCtl

        globals()[name] = CircusCtl
        return CircusCtl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def run(argv: Sequence[str]) -> int:
    """Do what a command line says.

    :param argv: the words after the program's name.
    :returns: the exit status: 0 fine, 1 failed here or no reply, 2 bad options, 3 the daemon answered with an
        error.
    """
    if argv[:1] == ["--complete"]:
        from circus.ctl.completion import answer_shell

        return answer_shell(argv[1:], sys.stdout)
    commands = WithErrands()
    try:
        args = parse_arguments(argv, commands)
    except CommandLineError as error:
        sys.stderr.write(error.report())
        return BAD_OPTIONS
    spoken = hasattr(args["args"], "command")
    if args["version"]:
        print(VERSION)
        return OK
    if args["completion"]:
        from circus.ctl.scripts import completion_script

        sys.stdout.write(completion_script(args["completion"]))
        return OK
    if "AUTO_COMPLETE" in os.environ:
        from circus.ctl.completion import answer_old_protocol

        answer_old_protocol(os.environ, commands, sys.stdout)
        return FAILED
    if args["help"] and not spoken:
        sys.stdout.write(main_help(commands))
        return OK
    if spoken:
        return ControllerApp(commands).run(args)
    return _run_shell(args, commands)


def _run_shell(args: dict[str, Any], commands: WithErrands) -> int:
    from circus.ctl.shell import CircusCtl

    client = make_client(args)
    try:
        return CircusCtl(client, commands).start(args)
    finally:
        client.stop()


def main() -> None:
    """The console entry point; ends with ``SystemExit``."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = FAILED
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more at the end, when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = FAILED
    sys.exit(status)


if __name__ == "__main__":
    main()
