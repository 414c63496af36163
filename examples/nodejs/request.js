// The shortest client: one question, one answer. node request.js [COMMAND [PROPERTIES [ENDPOINT]]]
import { Request } from "zeromq";

const [command = "status", properties = "{}", endpoint = "tcp://127.0.0.1:5555"] = process.argv.slice(2);
const circus = new Request({ linger: 0, receiveTimeout: 5000 });
circus.connect(endpoint);
await circus.send(JSON.stringify({ command, properties: JSON.parse(properties) }));
console.log((await circus.receive()).toString());
