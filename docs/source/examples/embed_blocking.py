from circus import get_arbiter

arbiter = get_arbiter([{"cmd": "sleep 1000", "name": "sleeper", "numprocesses": 2}])
try:
    arbiter.start()
finally:
    arbiter.stop()
