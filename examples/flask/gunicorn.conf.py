"""Settings of gunicorn, which it reads by itself from its working directory."""

workers = 1  # circusd counts processes
threads = 4  # requests that one process answers at once; clients may keep their connections
graceful_timeout = 15  # seconds for the requests under way; the watcher allows a little more
control_socket_disable = True  # newer versions open one, always at the same path: not for several gunicorns
