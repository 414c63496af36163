/**
 * The WebSocket: subscriptions kept over reconnects, snapshots and deltas handed to the store, lines and events to
 * whoever listens, and a state that says since when the connection is lost.
 */

/** A page that heard nothing for so long calls itself offline. */
const SILENCE = 12_000;
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 8_000;
const LOGIN_NEEDED = 4401;

/**
 * @typedef {Object} LiveState
 * @property {"connecting"|"online"|"offline"|"closed"} phase
 * @property {number} since epoch seconds
 * @property {number} retryAt epoch seconds of the next try, 0 for none
 */

export class Live {
  /** @param {import("./state.js").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {LiveState} */
    this.state = { phase: "connecting", since: Date.now() / 1000, retryAt: 0 };
    /** @type {Map<string, {since: number, reason: string}>} daemons that are lost, by endpoint id */
    this.lost = new Map();
    this.onLoginNeeded = () => {};
    /** Called when a connection was refused; a server that is there may tell that the session is over. */
    this.onRefused = () => {};
    this.listeners = { state: new Set(), lines: new Set(), event: new Set(), endpoint: new Set() };
    /** Difference between the server's clock and ours in seconds. */
    this.skew = 0;
    this.epoch = "";
    this.logs = null;
    this.socket = null;
    this.pause = FIRST_PAUSE;
    this.timer = 0;
    this.silence = 0;
    this.serial = 0;
    store.onWanted = (name) => this.#send({ subscribe: [name], id: this.#next() });
    store.onUnwanted = (name) => this.#send({ unsubscribe: [name], id: this.#next() });
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retry());
  }

  /** Listen to `state`, `lines`, `event` or `endpoint`. @returns {() => void} ends it */
  on(kind, listener) {
    this.listeners[kind].add(listener);
    return () => this.listeners[kind].delete(listener);
  }

  /** The server's time now, epoch seconds. */
  now() {
    return Date.now() / 1000 + this.skew;
  }

  open() {
    this.close();
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.wasOpen = false;
    this.#listenForSilence();
    socket.addEventListener("open", () => socket === this.socket && this.#opened());
    socket.addEventListener("message", (event) => socket === this.socket && this.#heard(event.data));
    socket.addEventListener("close", (event) => socket === this.socket && this.#closed(event.code));
  }

  /** End it for good. */
  close() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close(1000);
  }

  /** Try at once, if it is waiting for the next try. */
  retry() {
    if (this.state.phase === "offline" && this.state.retryAt) {
      this.pause = FIRST_PAUSE;
      this.open();
    }
  }

  /** What output to follow; null for none. Replaces the previous wish. */
  followLogs(wish) {
    this.logs = wish;
    this.#send({ logs: wish, id: this.#next() });
  }

  /** Ask for a fresh snapshot of a topic. */
  refresh(name) {
    this.#send({ subscribe: [name], id: this.#next() });
  }

  // -- inside ------------------------------------------------------------------------------------------

  #next() {
    this.serial += 1;
    return this.serial;
  }

  #send(message) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #tell(kind, value) {
    for (const listener of [...this.listeners[kind]]) listener(value);
  }

  #become(phase, retryAt = 0) {
    const since = phase === this.state.phase ? this.state.since : Date.now() / 1000;
    this.state = { phase, since, retryAt };
    this.#tell("state", this.state);
  }

  #opened() {
    this.wasOpen = true;
    this.pause = FIRST_PAUSE;
    const names = this.store.names();
    if (names.length) this.#send({ subscribe: names, id: this.#next() });
    if (this.logs) this.#send({ logs: this.logs, id: this.#next() });
  }

  #listenForSilence() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      const socket = this.socket;
      this.#closed(0);
      if (socket) socket.close();
    }, SILENCE);
  }

  #closed(code) {
    clearTimeout(this.silence);
    this.socket = null;
    this.store.stale();
    if (code === LOGIN_NEEDED) {
      this.#become("closed");
      this.onLoginNeeded();
      return;
    }
    const pause = this.pause * (0.8 + 0.4 * Math.random());
    this.pause = Math.min(this.pause * 1.8, LONGEST_PAUSE);
    this.#become("offline", Date.now() / 1000 + pause / 1000);
    if (!this.wasOpen) this.onRefused();
    this.timer = setTimeout(() => this.open(), pause);
  }

  #heard(raw) {
    this.#listenForSilence();
    let message;
    try {
      message = JSON.parse(raw);
    } catch {
      return; // not ours; the next snapshot tells
    }
    if (typeof message.time === "number") this.skew = message.time - Date.now() / 1000;
    if (this.state.phase !== "online") this.#become("online");
    this.#dispatch(message);
  }

  #dispatch(message) {
    switch (message.type) {
      case "hello":
        this.epoch = message.epoch;
        break;
      case "snapshot":
        this.store.snapshot(message);
        break;
      case "delta":
        if (!this.store.delta(message)) this.refresh(message.topic);
        break;
      case "gone":
        this.store.goneTopic(message);
        break;
      case "lines":
      case "event":
        this.#tell(message.type, message);
        break;
      case "offline":
        this.lost.set(message.endpoint, { since: message.since, reason: message.reason || "" });
        this.#tell("endpoint", message);
        break;
      case "online":
        this.lost.delete(message.endpoint);
        this.#tell("endpoint", message);
        break;
      default: // a tick, or of a later version
    }
  }
}
