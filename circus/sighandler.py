"""What the signals to circusd mean.

A handler only posts to the loop; nothing is decided or locked inside it, so a signal is never lost (decision 12).
Built by the controller, in the main thread only.
"""

from __future__ import annotations

import signal
import threading
from typing import Any

from circus.base.causes import caused
from circus.base.logs import logger


class SysHandler:
    """Installs handlers on construction and routes each signal to a ``handle_<name>`` method.

    TERM, INT and QUIT stop the daemon at any moment, and a second one cuts the graceful timeouts short; HUP reloads
    all watchers; USR1 opens all log files again; USR2 is kept for the upgrade in place; WINCH is ignored.

    :param controller: a controller, whose ``loop`` and ``arbiter`` are used, or the arbiter itself.
    """

    SIGNALS_NAMES = ("HUP", "QUIT", "INT", "TERM", "WINCH", "USR1", "USR2")
    SIGNALS = [getattr(signal, f"SIG{name}") for name in SIGNALS_NAMES if hasattr(signal, f"SIG{name}")]
    SIG_NAMES = {
        getattr(signal, f"SIG{name}"): name.lower() for name in SIGNALS_NAMES if hasattr(signal, f"SIG{name}")
    }

    def __init__(self, controller: Any) -> None:
        self.controller = controller
        self.arbiter = getattr(controller, "arbiter", controller)
        # The arbiter's `loop` is a Tornado view made on demand; handlers need the loop that is always there.
        self._loop = getattr(self.arbiter, "_boot", None) or controller.loop
        self._previous: dict[int, Any] = {}
        #: Signals that came and were not dealt with yet.
        self._received: list[int] = []
        self._bridging = False
        self._asked_to_stop = 0
        self._dealing_with = "a signal"
        if threading.current_thread() is threading.main_thread():
            logger.info("Registering signals...")
            self._register()

    def _register(self) -> None:
        before: SysHandler | None = None
        for signum in self.SIGNALS:
            previous = signal.signal(signum, self.signal)
            owner = getattr(previous, "__self__", None)
            if isinstance(owner, SysHandler) and owner._bridging:
                before, previous = owner, owner._previous.get(signum)
            self._previous[signum] = previous
        if before is not None:
            for signum in before._received:
                self.signal(signum)

    def bridge(self) -> None:
        """Keep signals from now on for the next one of our kind: the daemon restarts in its process."""
        self._bridging = True

    def stop(self) -> None:
        """Give the signals back to whoever had them."""
        if self._bridging:
            return
        previous, self._previous = self._previous, {}
        for signum, handler in previous.items():
            signal.signal(signum, handler if handler is not None else signal.SIG_DFL)

    def release(self) -> None:
        """There is no next one after a :meth:`bridge`: give the signals back, those that came meanwhile, too."""
        if not self._bridging:
            return
        self._bridging = False
        self._previous = {s: before for s, before in self._previous.items() if signal.getsignal(s) == self.signal}
        self.stop()
        received, self._received = self._received, []
        for signum in received:
            signal.raise_signal(signum)

    def signal(self, sig: int, frame: Any = None) -> None:
        """From the interpreter: remember it for the loop. Does nothing that is unsafe in a signal handler."""
        self._received.append(sig)
        if not self._bridging:
            self._loop.call_soon_threadsafe(self._dispatch, sig)

    def _dispatch(self, sig: int) -> None:
        if self._bridging:
            return
        if sig in self._received:
            self._received.remove(sig)
        name = self.SIG_NAMES.get(sig)
        if name is None:
            return
        logger.info("Got signal SIG_%s", name.upper())
        self._dealing_with = f"SIG{name.upper()}"
        try:
            getattr(self, f"handle_{name}")()
        except Exception:
            logger.exception("signal SIG%s could not be handled; the daemon goes on", name.upper())

    def quit(self) -> None:
        """Stop the daemon; asked for again while it stops, kill what does not end."""
        arbiter = self.arbiter
        self._asked_to_stop += 1
        if self._asked_to_stop > 1:
            logger.warning("asked to stop again: no more grace, killing what is left")
            arbiter.hurry()
        else:
            caused(arbiter.stop, self._dealing_with)()

    def reload(self) -> None:
        """Reload all running watchers gracefully."""
        future = self.arbiter.reload(graceful=True, cause="SIGHUP")
        if future is not None:
            future.add_done_callback(_log_failure)

    def handle_int(self) -> None:
        """SIGINT."""
        self.quit()

    def handle_term(self) -> None:
        """SIGTERM."""
        self.quit()

    def handle_quit(self) -> None:
        """SIGQUIT."""
        self.quit()

    def handle_hup(self) -> None:
        """SIGHUP."""
        self.reload()

    def handle_usr1(self) -> None:
        """SIGUSR1: log files were rotated."""
        self.arbiter.reopen_logs()
        logger.info("all log files are open again")

    def handle_usr2(self) -> None:
        """SIGUSR2: nothing yet."""
        logger.info("SIGUSR2 is kept for the upgrade in place, which this version does not have; ignored")

    def handle_winch(self) -> None:
        """SIGWINCH: a daemon has no window."""


def _log_failure(future: Any) -> None:
    if not future.cancelled() and future.exception() is not None:
        logger.error("reload: %s", future.exception())
