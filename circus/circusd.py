"""``circusd``: the daemon's command line (spec cli.md 1).

Reads the arguments, checks the whole configuration, binds everything, detaches if asked to, and runs an
:class:`~circus.arbiter.Arbiter` until it ends. All that can fail fails before the terminal is let go.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from circus.pidfile import Pidfile
    from circus.system.notify import Notifier


def _is_the_program() -> bool:
    """True when circusd is what this process was started for, not a function somebody calls."""
    name = os.path.basename(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    return name in ("circusd", "circusd.py")


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """While modules are loaded there is no garbage, only the work of looking for it: a fifteenth of the whole start.

    In circusd itself what was loaded is set aside (gc.freeze), or the next collection would walk through all of it.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
        if _is_the_program():
            gc.freeze()
    finally:
        if collects:
            gc.enable()


with _loading():
    import circus
    from circus.base.capabilities import IS_WINDOWS, MAXFD, REDIRECT_TO
    from circus.base.logs import LOG_LEVELS, configure_logger, logger

    if IS_WINDOWS:
        print("circusd needs a POSIX system; the client programs (circusctl, circus-top) run here.", file=sys.stderr)
        sys.exit(1)

    from circus.arbiter import Arbiter
    from circus.system.launch import seal_inherited_fds

closerange = os.closerange


def get_maxfd() -> int:
    """The highest descriptor number there may be: the hard limit, or 1024 when there is none."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MAXFD if hard == resource.RLIM_INFINITY else hard


def daemonize(keep: Iterable[int] | None = None, ready: tuple[int, int] | None = None) -> None:
    """Detach from the terminal: two forks, a new session, the null device on 0, 1 and 2.

    :param keep: descriptors that stay open; None closes all of them.
    :param ready: both ends of a pipe: the first process stays until the daemon wrote to it, and tells what it said.
    :raises ValueError: when gevent is loaded, whose loop does not survive a fork.
    """
    if any(name.partition(".")[0] == "gevent" for name in sys.modules):
        raise ValueError("Cannot daemonize if gevent is loaded")
    if os.fork():
        os._exit(0 if ready is None else _await_readiness(*ready))
    os.setsid()
    if os.fork():
        os._exit(0)
    maxfd = get_maxfd()
    if keep is None:
        closerange(0, maxfd)
    else:
        start = 3
        for fd in sorted(fd for fd in set(keep) if fd > 2):
            closerange(start, fd)
            start = fd + 1
        closerange(start, maxfd)
    null = os.open(REDIRECT_TO, os.O_RDWR)
    for fd in (0, 1, 2):
        if fd != null:
            os.dup2(null, fd)
    if null > 2:
        os.close(null)


def _await_readiness(read_end: int, write_end: int) -> int:
    """In the first process: pass on what the daemon says of its start; returns the exit status."""
    os.close(write_end)  # or the end of the pipe would never be seen
    said = b""
    while chunk := os.read(read_end, 4096):
        said += chunk
    if said == b"ok":
        return 0
    os.write(2, said or b"circusd: the daemon ended before it was ready\n")
    return 1


class Arguments:
    """What was said on the command line."""

    config: str = ""
    loglevel: str | None = None
    logoutput: str | None = None
    loggerconfig: str | None = None
    daemonize = False
    pidfile: str | None = None
    check = False
    version = False


def parse_arguments(argv: Sequence[str] | None = None) -> Arguments:
    """The arguments of circusd; exits on ``--help``, ``--version``, bad ones, or none at all."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = Arguments()
    if len(given) == 1 and not given[0].startswith("-"):
        args.config = given[0]  # `circusd file.ini`: nothing to parse, and five milliseconds saved
        return args
    import argparse  # kept off the start path

    parser = argparse.ArgumentParser(prog="circusd", description="Run some watchers.")
    parser.add_argument("config", nargs="?", default="", help="configuration file")
    levels = [*LOG_LEVELS, *(level.upper() for level in LOG_LEVELS)]
    parser.add_argument("--log-level", dest="loglevel", choices=levels, help="log level (default: info)")
    parser.add_argument("--log-output", dest="logoutput", help="where to log: a file, a syslog:// URL, - for stderr")
    parser.add_argument("--logger-config", dest="loggerconfig", help="logging configuration: .ini, .json or .yaml")
    parser.add_argument("--daemon", dest="daemonize", action="store_true", help="detach from the terminal")
    parser.add_argument("--pidfile", dest="pidfile", help="file to keep the pid in")
    parser.add_argument("--check", action="store_true", help="check the configuration file, start nothing")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.parse_args(given, args)
    if args.version:
        print(circus.__version__)
        sys.exit(0)
    if not args.config:
        parser.print_usage(sys.stdout)
        sys.exit(0)
    return args


def check(path: str) -> int:
    """Print every problem of a configuration file; returns the exit status (1 when one is an error)."""
    from circus.config import check as check_config

    try:
        problems = check_config(path)
    except OSError as error:
        print(str(error).strip(), file=sys.stderr)
        return 1
    for problem in problems:
        print(f"{problem.severity}: {problem}")
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    if not problems:
        print(f"{path}: ok")
    else:
        print(f"{path}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return 1 if errors else 0


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script; always ends through ``sys.exit``."""
    args = parse_arguments(argv)
    if args.check:
        sys.exit(check(args.config))
    if os.getpid() == 1:
        # PID 1 is not ended by signals that nobody handles; later the arbiter does.
        for signum in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(signum, signal.default_int_handler)
    inherited = set(_open_fds())
    seal_inherited_fds()
    # `restart` without a name re-reads the file wherever the daemon stands.
    args.config = os.path.abspath(args.config)
    status = _serve(args, inherited)
    if _is_the_program():
        atexit.register(_leave, status)
    sys.exit(status)


def _serve(args: Arguments, inherited: set[int]) -> int:
    """Run arbiters, one after the other while full restarts are asked for; returns the exit status."""
    arbiter: Arbiter | None = None
    pidfile: Pidfile | None = None
    kept = None
    notifier = _service_manager()
    try:
        while True:
            restarting = arbiter is not None
            arbiter = _build(args, restarting)
            if kept is not None:
                arbiter.inherit(kept)
            if not restarting:
                arbiter.initialize()
                pidfile = _settle_down(args, arbiter, inherited)
            if pidfile is not None:
                arbiter.farewell = pidfile.unlink
            arbiter.engine.sealed = True
            arbiter.engine.collect_orphans()
            if notifier is not None:
                arbiter.herald = notifier
                notifier.attend(arbiter.engine.loop, arbiter.summary)
            again = arbiter.start(None if notifier is None else notifier.started)
            kept = arbiter.kept
            if not again:
                return 0
    except OSError as error:
        return _end(f"exception {error.strerror or error} caught")
    except ImportError as error:
        logger.debug("the whole story", exc_info=True)
        return _end(f"a package that circusd needs is missing or broken: {error}; install Circus again with pip")
    except KeyboardInterrupt:
        return 0
    finally:
        if arbiter is not None:
            arbiter.release()
        if pidfile is not None:
            pidfile.unlink()
        if notifier is not None:
            notifier.close()


def _end(text: str) -> int:
    """Say why nothing runs, where it is seen; the exit status."""
    logger.error(text)
    if not _logs_to_stderr():
        print(f"circusd: {text}", file=sys.stderr)
    return 1


def _service_manager() -> Notifier | None:
    """The line to systemd or the like, when it gave us one; its variables are taken out of our environment."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from circus.system.notify import Notifier

    return Notifier.take(os.environ)


def _settle_down(args: Arguments, arbiter: Arbiter, inherited: set[int]) -> Pidfile | None:
    """Detach if asked to, and take the pid file; everything is checked and bound by now."""
    ready_write = None
    if args.daemonize:
        ready_write = _detach(inherited)
        arbiter.pid = os.getpid()
    pidfile = _take_pidfile(args.pidfile or arbiter.pidfile, ready_write)
    if ready_write is not None:
        os.write(ready_write, b"ok")
        os.close(ready_write)
    return pidfile


def _logs_to_stderr() -> bool:
    import logging

    return any(getattr(handler, "stream", None) is sys.stderr for handler in logging.getLogger().handlers)


def _leave(status: int) -> None:
    """End the process without taking the interpreter apart: that takes longer than stopping 175 workers, and all
    that matters was closed."""
    import logging

    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def _build(args: Arguments, restarting: bool) -> Arbiter:
    """Configuration, logging, arbiter; a bad configuration ends the program with one message."""
    from circus.config import get_config
    from circus.exc import ConfigError

    try:
        config = get_config(args.config)
    except (ConfigError, OSError, ValueError, ImportError) as error:
        _fail(f"circusd: {str(error).strip()}", restarting)
    loglevel = args.loglevel or config.get("loglevel") or "info"
    logoutput = args.logoutput or config.get("logoutput") or "-"
    loggerconfig = args.loggerconfig or config.get("loggerconfig")
    try:
        configure_logger(logger, loglevel, logoutput, loggerconfig)
    except Exception as error:  # logging configurations may raise anything
        _fail(f"circusd: logging cannot be set up: {error}", restarting)
    try:
        arbiter = Arbiter.from_dict(config, args.config)
        arbiter.log_options = {name: getattr(args, name) for name in ("loglevel", "logoutput", "loggerconfig")}
        return arbiter
    except Exception as error:
        _fail(f"circusd: {type(error).__name__}: {error}" if isinstance(error, KeyError) else f"circusd: {error}",
              restarting)


def _fail(text: str, restarting: bool) -> NoReturn:
    if restarting:
        logger.error(text)
    else:
        print(text, file=sys.stderr)
    sys.exit(1)


def _detach(inherited: set[int]) -> int:
    """Become a daemon; returns the descriptor on which to report readiness."""
    read_end, write_end = os.pipe()
    keep = set(_open_fds()) - inherited - {read_end}
    logger.info("detaching")
    daemonize(keep=keep, ready=(read_end, write_end))
    with contextlib.suppress(OSError):
        os.close(read_end)
    return write_end


def _take_pidfile(path: str | None, ready_write: int | None) -> Pidfile | None:
    if not path:
        return None
    from circus.pidfile import Pidfile

    pidfile = Pidfile(path)
    try:
        pidfile.create(os.getpid())
    except (RuntimeError, OSError) as error:
        if ready_write is not None:
            os.write(ready_write, f"{error}\n".encode())
        print(str(error))
        sys.exit(1)
    return pidfile


def _open_fds() -> list[int]:
    """Open descriptors above 2, without the one that listing them took: its number is given to a file of ours next."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return [fd for fd in map(int, os.listdir(directory)) if fd > 2 and _is_open(fd)]
    return []


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
