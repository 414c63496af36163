// Prints what happens in a daemon, as it happens.
//
//     cd examples/nodejs && npm ci
//     node listener.js [ENDPOINT [TOPIC]]
//
// ENDPOINT is circusd's pubsub_endpoint; TOPIC is the beginning of the topics wanted, such as "watcher.web.".
import { Subscriber } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5556", prefix = "watcher."] = process.argv.slice(2);

const events = new Subscriber();
events.connect(endpoint); // waits for a daemon that is not there yet, and for one that comes back
events.subscribe(prefix);

for await (const [topic, message] of events) {
  // "watcher.NAME.EVENT"; the name may have dots of its own.
  const parts = topic.toString().split(".");
  const event = parts.pop();
  const watcher = parts.slice(1).join(".");
  const { time, ...facts } = JSON.parse(message);
  console.log(new Date(time * 1000).toISOString(), watcher, event, JSON.stringify(facts));
}
