"""A WSGI application behind a socket of Circus and behind Gunicorn: requests per second, CPU, reloads."""
