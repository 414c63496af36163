"""The controller whose signals reach the gevent hub."""

from __future__ import annotations

from circus.controller import Controller as _Controller
from circus.green.sighandler import SysHandler

__all__ = ["Controller"]


class Controller(_Controller):
    """See :class:`circus.controller.Controller`."""

    def _init_syshandler(self) -> None:
        self.sys_hdl = SysHandler(self)
