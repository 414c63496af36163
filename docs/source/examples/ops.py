import socket
import time


def wait_for_port(watcher, arbiter, hook_name, **kwargs):
    """Wait up to 30 seconds until something accepts connections; False refuses the start."""
    options = dict(watcher.options())
    host, _, port = options.get("wait_for", "127.0.0.1:5432").rpartition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False
