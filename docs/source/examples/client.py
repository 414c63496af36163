from circus.client import CallError, CircusClient

client = CircusClient(endpoint="tcp://127.0.0.1:5555", timeout=5)
try:
    reply = client.send_message("incr", name="web", nb=2, waiting=True)
    if reply["status"] == "error":
        print(reply["errno"], reply["reason"])
    else:
        print(reply["numprocesses"])
except CallError as error:
    print("no answer:", error)
finally:
    client.stop()
