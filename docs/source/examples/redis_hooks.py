import socket
import time


def wait_for_redis(watcher, arbiter, hook_name, **kwargs):
    """Wait until Redis answers; after ``redis_timeout`` seconds the watcher is not started."""
    options = dict(watcher.options())
    host, _, port = options.get("redis", "127.0.0.1:6379").rpartition(":")
    timeout = float(options.get("redis_timeout", 30))
    deadline = time.monotonic() + timeout
    trouble = "no answer"
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, int(port)), timeout=1) as redis:
                redis.sendall(b"PING\r\n")
                answer = redis.recv(100)
        except OSError as error:
            trouble = str(error)
        else:
            # A Redis that asks for a password is up; one that still reads its file says -LOADING.
            if answer.startswith((b"+PONG", b"-NOAUTH")):
                return True
            trouble = answer.decode(errors="replace").strip() or "it hung up"
        time.sleep(0.2)
    raise TimeoutError(f"no Redis at {host}:{port} within {timeout:g} s: {trouble}")
