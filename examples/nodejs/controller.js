// Sends circusd a command and prints the reply: one process more for a watcher.
//
//     cd examples/nodejs && npm ci
//     node controller.js [ENDPOINT [WATCHER [NUMBER]]]
//
// ENDPOINT is circusd's (control) endpoint.
import { randomUUID } from "node:crypto";
import { Dealer } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5555", name = "sleeper", nb = "1"] = process.argv.slice(2);

// A DEALER may have any number of requests under way; the id tells whose reply a reply is.
const circus = new Dealer({ linger: 0, receiveTimeout: 5000 });
circus.connect(endpoint);

async function call(command, properties = {}) {
  const id = randomUUID();
  await circus.send(JSON.stringify({ id, command, properties }));
  for (;;) {
    const [message] = await circus.receive();
    const reply = JSON.parse(message);
    if (reply.id === id) return reply;
  }
}

try {
  // "waiting": the reply comes when it is done, and tells how many processes there are now.
  const reply = await call("incr", { name, nb: Number(nb), waiting: true });
  console.log(JSON.stringify(reply));
  process.exitCode = reply.status === "ok" ? 0 : 1;
} catch (error) {
  console.error(error.code === "EAGAIN" ? `no answer from ${endpoint}` : error.message);
  process.exitCode = 1;
} finally {
  circus.close();
}
