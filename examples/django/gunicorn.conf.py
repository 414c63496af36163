"""Settings of gunicorn that are the same wherever the project runs."""

#: circusd counts processes, and starts new ones where some are missing; gunicorn need not.
workers = 1
#: Seconds for the requests under way when it is asked to end. The watcher allows a little more.
graceful_timeout = 15
#: Newer versions open a control socket, always at the same path: not for several gunicorns at once.
control_socket_disable = True
