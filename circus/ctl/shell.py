"""The shell of circusctl: commands typed one after the other over one connection.

Started by ``circusctl`` without a command. Piped input, and terminals without prompt_toolkit, are read in the
way of
:mod:`cmd`, whose transcript is contractual; on a terminal :mod:`circus.ctl.prompt` reads the lines. What a
line does is the application's business. Spec cli.md 2.3.
"""

from __future__ import annotations

import cmd
import shlex
import sys
import traceback
from typing import TYPE_CHECKING, Any

from circus.ctl.app import ControllerApp
from circus.ctl.arguments import VERSION, CommandLineError, parse_arguments, suggest
from circus.ctl.vocabulary import summary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from circus.ctl.vocabulary import Commands

#: The global options that stay in force for every line.
_LASTING = ("endpoint", "timeout", "json", "prettify", "ssh", "ssh_keyfile")


class CircusCtl(cmd.Cmd):
    """The shell.

    :param client: the client every line uses.
    :param commands: command word -> command.
    """

    prompt = "(circusctl) "

    def __init__(self, client: Any, commands: Commands, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.client = client
        self.commands = commands
        self.controller = ControllerApp(commands, client)
        self._lasting: dict[str, Any] = {}

    def start(self, globalopts: Mapping[str, Any]) -> int:
        """Tell the version and the status, then read lines until the end of input.

        :param globalopts: the global options; those that concern output stay in force.
        :returns: the exit status, 0.
        """
        self._lasting = {name: globalopts[name] for name in _LASTING if name in globalopts}
        print(VERSION)
        try:
            self._speak("status", "")
            self.cmdloop()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
        return 0

    def cmdloop(self, intro: Any = None) -> None:
        """Read and carry out lines until ``EOF``, with all comfort if the terminal has it."""
        read = self._comfortable_reader()
        if read is None:
            super().cmdloop(intro)
            return
        print('Tab completes, "help" lists the commands. "exit" or Ctrl-D leaves; "quit" ends circusd itself.')
        stop: Any = None
        while not stop:
            try:
                line = read(self.prompt)
            except EOFError:
                line = "EOF"
            if line.strip() == "exit":  # piped input knows no such word, as ever
                line = "EOF"
            stop = self.onecmd(line)
        self.postloop()

    def _comfortable_reader(self) -> Callable[[str], str] | None:
        if not self._on_terminal():
            return None
        try:
            from circus.ctl.prompt import make_reader
        except ImportError:
            return None
        return make_reader(self.client, self.commands)

    def _on_terminal(self) -> bool:
        return bool(self.use_rawinput and sys.stdin.isatty() and sys.stdout.isatty())

    def default(self, line: str) -> None:
        """Tell that a line is no command; on a terminal also which one was meant: a transcript stays as recorded."""
        super().default(line)
        if self._on_terminal() and (meant := suggest(line.split()[:1], self.completenames(""))):
            self.stdout.write(f"{meant}\n")

    def postloop(self) -> None:
        sys.stdout.write("\n")

    def do_EOF(self, line: str) -> bool:
        return True

    def do_help(self, arg: str) -> None:
        """List available commands with "help" or detailed help with "help cmd"."""
        if arg in self.commands:
            self.stdout.write(f"{self.commands[arg].desc}\n")
        else:
            super().do_help(arg)

    def get_names(self) -> list[str]:
        """The names ``help`` and the completion of command words look at."""
        return [*super().get_names(), *(f"do_{name}" for name in self.commands)]

    def __getattr__(self, name: str) -> Any:
        """``do_<command>``, made when it is asked for."""
        command = name.removeprefix("do_")
        if command == name or command not in self.__dict__.get("commands", ()):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def speak(line: str) -> None:
            self._speak(command, line)

        speak.__doc__ = summary_of(self.commands, command) or command
        return speak

    def completedefault(self, *ignored: Any) -> list[str]:
        """Complete an argument (readline; prompt_toolkit has its own way to the same words)."""
        from circus.ctl.completion import LiveWords, complete

        text, line, begin, _ = ignored
        live = LiveWords.of_client(self.client)
        try:
            words = _split(line[:begin])
            return [word for word, _ in complete(words, text, self.commands, live)]
        finally:
            live.close()

    def _speak(self, command: str, line: str) -> None:
        """Carry out one line. Whatever goes wrong is told, and the shell goes on."""
        try:
            args = parse_arguments([command, *shlex.split(line)], self.commands)
            args.update(self._lasting)
            self.controller.run(args)
        except CommandLineError as error:
            sys.stderr.write(error.report())
        except ValueError as error:  # shlex: an unclosed quote
            sys.stderr.write(f"error: {error}\n")
        except KeyboardInterrupt:
            sys.stdout.write("\n")  # ends the command, not the shell
        except BrokenPipeError:
            raise
        except Exception:  # a border: a bug in one command must not end the session
            traceback.print_exc()
        sys.stdout.flush()


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
