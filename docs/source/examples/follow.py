import json

from circus.consumer import CircusConsumer

with CircusConsumer(["watcher.web."], endpoint="tcp://127.0.0.1:5556") as consumer:
    for topic, message in consumer:
        print(topic.decode(), json.loads(message))
