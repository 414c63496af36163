from circus.plugins import CircusPlugin


class Journal(CircusPlugin):
    """Writes every unexpected death into a file."""

    name = "journal"

    def __init__(self, *args, path="events.log", **config):
        super().__init__(*args, **config)
        self.path = path

    def handle_recv(self, data):
        watcher, event, payload = self.split_data(data)
        if event != "reap":
            return
        facts = self.load_message(payload)
        if not facts["expected"]:
            with open(self.path, "a") as file:
                print(watcher, facts["process_pid"], "ended with", facts["exit_code"], file=file)
