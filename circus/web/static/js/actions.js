/**
 * What an operator does: asked about first when it is risky, progress told while it goes on (counted from the events of
 * the daemon), the outcome as the server tells it, and always the circusctl line. Pages call this, never the API, to
 * change something.
 */

import { h } from "./dom.js";
import { Problem, watcherPath } from "./api.js";
import { plural, shellWords } from "./format.js";
import { confirm } from "./ui/dialog.js";

const ROLES = {
  incr: "operator",
  decr: "operator",
  start: "operator",
  stop: "operator",
  restart: "operator",
  reload: "operator",
  signal: "operator",
  kill: "operator",
  add: "admin",
  rm: "admin",
  set: "admin",
  reloadconfig: "admin",
  quit: "admin",
  connect: "admin",
};
const DOING = {
  start: "Starting",
  stop: "Stopping",
  restart: "Restarting",
  reload: "Reloading",
  incr: "Adding a worker to",
  decr: "Removing a worker from",
  signal: "Signalling",
  kill: "Ending a worker of",
  rm: "Removing",
  set: "Changing",
};
/** The endpoint that circusctl takes when it is told none. */
const USUAL = "tcp://127.0.0.1:5555";
/** Which events count as progress of an action on one watcher, and on all. */
const ONE = {
  start: "spawn",
  restart: "spawn",
  reload: "spawn",
  stop: "reap",
  incr: "spawn",
  decr: "reap",
  rm: "reap",
};
const ALL = { start: ["start"], restart: ["start"], reload: ["reload"], stop: ["stop"] };

export class Actions {
  /** @param {{api: import("./api.js").Api, live: any, store: any, toasts: any}} parts */
  constructor({ api, live, store, toasts }) {
    Object.assign(this, { api, live, store, toasts });
  }

  /** Why the action is not allowed, or empty. */
  forbidden(action) {
    const role = ROLES[action] || "operator";
    return this.api.may(role) ? "" : `needs the role ${role}; you are ${this.api.session.role || "nobody"}`;
  }

  /** The command line that does the same. @param {string} [eid] whose daemon; the only one by default */
  line(action, name, extra = [], eid = "") {
    const waits = ["start", "stop", "restart", "reload", "reloadconfig"].includes(action);
    return shellWords([
      "circusctl",
      ...this.#where(eid),
      action,
      ...(name ? [name] : []),
      ...extra.map(String),
      ...(waits ? ["--waiting"] : []),
    ]);
  }

  /** What tells circusctl which daemon is meant, where it is not the usual one. */
  #where(eid) {
    const all = this.store.peek("overview")?.endpoints || {};
    const ids = Object.keys(all);
    const found = all[eid] || (ids.length === 1 ? all[ids[0]] : null);
    return [
      ...(found && found.endpoint !== USUAL ? ["--endpoint", found.endpoint] : []),
      ...(found?.ssh ? ["--ssh", found.ssh] : []),
    ];
  }

  /**
   * Do something with one watcher.
   * @param {string} eid @param {any} watcher its summary
   * @param {string} action @param {Object<string, any>} [body]
   * @returns {Promise<any>} the server's reply, null when it was called off or failed
   */
  async watcher(eid, watcher, action, body = {}) {
    if (this.#refuse(action)) return null;
    const { name } = watcher;
    const running = watcher.count || 0;
    const question = QUESTIONS[action]?.(name, running, body);
    const line = this.line(action, name, EXTRAS[action]?.(body) || [], eid);
    if (question && !(await confirm({ ...question, line }))) return null;
    const of = action === "stop" || action === "rm" ? running : watcher.numprocesses || 1;
    const counted = (message) =>
      message.endpoint === eid && message.data.event === ONE[action] && sameWatcher(message.data.watcher, name);
    const words = (done) => `${done} of ${of} workers ${ONE[action] === "reap" ? "gone" : "up"}`;
    const many = ["start", "stop", "restart", "reload", "rm"].includes(action);
    return this.run(
      `${DOING[action] || action} ${name}`,
      () =>
        action === "rm"
          ? this.api.send("DELETE", watcherPath(name), { query: { endpoint: eid } })
          : this.api.post(watcherPath(name, action), body, { endpoint: eid }),
      { counted: many ? counted : null, of, words, line },
    );
  }

  /** The same with all watchers of a daemon. */
  async all(eid, endpoint, action) {
    if (this.#refuse(action)) return null;
    const watchers = Object.values(endpoint.watchers || {}).filter(
      (each) => !each.plugin && (action === "start" ? each.status === "stopped" : each.status !== "stopped"),
    );
    const of = watchers.length;
    const workers = watchers.reduce((sum, each) => sum + (each.count || 0), 0);
    const asked = await confirm({
      title: `${action[0].toUpperCase()}${action.slice(1)} all watchers of ${endpoint.name}?`,
      action: `${action[0].toUpperCase()}${action.slice(1)} all`,
      danger: action === "stop",
      body: h(
        "p",
        null,
        `This concerns ${plural(of, "watcher")}${action === "start" ? "" : ` with ${plural(workers, "worker")}`}, in the order of their priority.`,
        action === "stop" ? " Nothing will serve until they are started again." : "",
      ),
      line: this.line(action, "", [], eid),
    });
    if (!asked) return null;
    const seen = new Set();
    const counted = (message) => {
      if (message.endpoint !== eid || !ALL[action].includes(message.data.event) || seen.has(message.data.watcher))
        return false;
      seen.add(message.data.watcher);
      return true;
    };
    return this.run(`${DOING[action]} all watchers`, () => this.api.post(action, {}, { endpoint: eid }), {
      counted,
      of,
      words: (done) => `${done} of ${of} watchers`,
      line: this.line(action, "", [], eid),
    });
  }

  /**
   * Run a request with a card that tells how it goes.
   * @param {string} title
   * @param {() => Promise<any>} request
   * @param {{counted?: ((message: any) => boolean)|null, of?: number, words?: (done: number) => string, line?: string}} [progress]
   */
  async run(title, request, { counted = null, of = 0, words = () => "", line = "" } = {}) {
    const toast = this.toasts.begin(title);
    let done = 0;
    const stops = counted
      ? [
          this.store.follow("events", () => {}),
          this.live.on(
            "event",
            (message) => counted(message) && toast.progress((done += 1), of, words(Math.min(done, of))),
          ),
        ]
      : [];
    if (counted && of) toast.progress(0, of, words(0));
    try {
      const reply = await request();
      const warnings = reply.warnings?.length ? ` ${reply.warnings.join(" ")}` : "";
      toast.end(reply.outcome || "ok", `${reply.text || ""}${warnings}`, reply.circusctl || line);
      return reply.outcome === "failed" ? null : reply;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast.end("failed", error.message, error.circusctl || line);
      return null;
    } finally {
      stops.forEach((stop) => stop());
    }
  }

  #refuse(action) {
    const why = this.forbidden(action);
    if (why) this.toasts.tell("failed", `Not allowed: ${action}`, why);
    return why;
  }
}

const QUESTIONS = {
  stop: (name, running) => ({
    title: `Stop ${name}?`,
    action: "Stop",
    danger: true,
    body: h(
      "p",
      null,
      `Its ${plural(running, "worker")} will be asked to end, and killed after graceful_timeout. It stays stopped until somebody starts it.`,
    ),
  }),
  restart: (name, running) =>
    running
      ? {
          title: `Restart ${name}?`,
          action: "Restart",
          body: h(
            "p",
            null,
            `All ${plural(running, "worker")} are stopped, then started. Nothing runs in between; a reload has no such gap.`,
          ),
        }
      : null,
  rm: (name, running) => ({
    title: `Remove ${name}?`,
    action: "Remove",
    danger: true,
    typed: name,
    body: h(
      "p",
      null,
      running ? `Its ${plural(running, "worker")} will be stopped. ` : "",
      "The watcher is gone from the daemon; a reload of the configuration brings it back if the file still has it.",
    ),
  }),
  kill: (name, _running, body) => ({
    title: `End worker ${body.pid} of ${name}?`,
    action: body.signum ? `Send ${body.signum}` : "End",
    danger: true,
    body: h(
      "p",
      null,
      "It gets the stop signal, and SIGKILL after graceful_timeout. The watcher starts another in its place.",
    ),
  }),
};

const EXTRAS = {
  kill: (body) => [body.pid, ...(body.signum ? ["--signum", body.signum] : [])],
  signal: (body) => [
    ...(body.pid ? [body.pid] : []),
    body.signum,
    ...(body.children ? ["--children"] : []),
    ...(body.recursive ? ["--recursive"] : []),
  ],
  incr: (body) => (body.nb > 1 ? [body.nb] : []),
  decr: (body) => (body.nb > 1 ? [body.nb] : []),
};

/** Events name a watcher as topics do or as it is shown. */
export function sameWatcher(one, other) {
  const folded = (name) => String(name).toLowerCase().replaceAll(" ", "_");
  return folded(one) === folded(other);
}
