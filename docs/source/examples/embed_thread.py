from circus import get_arbiter

arbiter = get_arbiter([{"cmd": "sleep 1000", "name": "sleeper"}], background=True)
arbiter.start()
print("the program goes on")
arbiter.stop()
