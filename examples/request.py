"""The shortest client, without Circus: one question, one answer. ``request.py [COMMAND [PROPERTIES [ENDPOINT]]]``."""

import json
import sys

import zmq

command, properties, endpoint = [*sys.argv[1:], *["status", "{}", "tcp://127.0.0.1:5555"][len(sys.argv) - 1 :]]
circus = zmq.Context().socket(zmq.REQ)
circus.setsockopt(zmq.LINGER, 0)
circus.setsockopt(zmq.RCVTIMEO, 5000)
circus.connect(endpoint)
circus.send_json({"command": command, "properties": json.loads(properties)})
print(json.dumps(circus.recv_json()))
