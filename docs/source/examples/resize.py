from circus.commands.base import Command, find_watcher
from circus.exc import ArgumentError, MessageError


class Resize(Command):
    """Set the number of processes of a watcher

    ``circusctl resize NAME NUMBER [--waiting]``
    """

    name = "resize"
    properties = ["name", "number"]
    options = Command.waiting_options

    # in circusctl: words to a request, a reply to text

    def message(self, *args, **opts):
        if len(args) != 2 or not args[1].isdigit():
            raise ArgumentError("resize takes a watcher and a number")
        return self.make_message(name=args[0], number=int(args[1]), **opts)

    def console_msg(self, msg):
        return str(msg["numprocesses"]) if "numprocesses" in msg else super().console_msg(msg)

    # in circusd: a request to an effect and the fields of the reply

    def validate(self, props):
        super().validate(props)
        if type(props["number"]) is not int or props["number"] < 0:
            raise MessageError("'number' isn't a number of processes")

    async def execute(self, arbiter, props):
        watcher = find_watcher(arbiter, props["name"])
        number = await watcher.set_numprocesses(props["number"], cause=self.cause(props))
        return {"numprocesses": number}
