"""The ``ipython`` command: a Jupyter kernel inside the daemon, for those who want to look around."""

from __future__ import annotations

import os

from circus.commands.base import Command
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class IPythonShell(Command):
    """Create shell into circusd process

    Starts an IPython kernel in the daemon, with the arbiter as ``arbiter``, and connects a console to it. The
    packages ``ipykernel`` (on the side of the daemon) and ``jupyter_console`` (on the side of ``circusctl``)
    are needed.

    Message
    -------

    ::

        {"command": "ipython"}

    Reply
    -----

    ``shell`` is the connection file of the kernel; false when there is none, for the reason in ``msg``::

        {"status": "ok", "time": 1795288292.0, "shell": "kernel-1234.json", "msg": null}
        {"status": "ok", "time": 1795288292.0, "shell": false, "msg": "No module named 'IPython'"}

    Command line
    ------------

    ::

        $ circusctl ipython
    """

    name = "ipython"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 0, "Invalid message")
        return self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"shell": _start_kernel(arbiter), "msg": None}
        except Exception as failure:  # a border: whatever the packages of others raise is the message
            return {"shell": False, "msg": str(failure)}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") != "ok":
            return self.console_error(msg)
        if not msg.get("shell"):
            return "error: Could not start ipython kernel"
        import subprocess
        from shutil import which

        jupyter = which("jupyter")
        if jupyter is None:
            return f"the kernel is up; connect with: jupyter console --existing {msg['shell']}"
        subprocess.call([jupyter, "console", "--existing", str(msg["shell"])])
        return ""


def _start_kernel(arbiter: Any) -> str:
    """Start a kernel on the running loop, once per process, and return the name of its connection file."""
    import IPython  # noqa: F401 - its absence is the answer clients know
    from ipykernel.kernelapp import IPKernelApp  # type: ignore[import-not-found]

    class Kernel(IPKernelApp):  # type: ignore[misc]
        outstream_class = None  # output of the daemon stays where it is

        def init_signal(self) -> None:
            """Signals belong to circusd."""

        def patch_io(self) -> None:
            """So do its descriptors."""

        def log_connection_info(self) -> None:
            """The reply tells."""

    if not IPKernelApp.initialized():
        # Unix sockets beside the private connection file: no open port.
        app = Kernel.instance(quiet=True, transport="ipc")
        try:
            app.initialize([])
            app.kernel.user_ns = {"arbiter": arbiter}
            app.shell.set_completer_frame()
            app.kernel.start()
        except BaseException:
            Kernel.clear_instance()
            raise
    return f"kernel-{os.getpid()}.json"
