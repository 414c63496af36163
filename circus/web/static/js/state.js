/**
 * What the server told, by topic: snapshots, the deltas applied to them, and who wants to know. A topic is fresh
 * from its snapshot until the connection, or the daemon it is about, is lost. Pure but for the animation frame.
 */

import { soon } from "./dom.js";

/** How many items of a growing array are kept, by the key above it. */
const KEPT = { spark: 60, series: 900, events: 500 };

/** Apply a JSON merge patch (RFC 7386) in place. */
export function mergePatch(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const object = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
  for (const key of Object.keys(patch)) {
    if (key === "__proto__") continue;
    const value = patch[key];
    if (value === null) delete object[key];
    else if (typeof value === "object" && !Array.isArray(value)) object[key] = mergePatch(object[key], value);
    else object[key] = value;
  }
  return object;
}

/** Append the items of the leaves to the arrays at the same places. */
export function appendInto(target, additions, kept = 900) {
  for (const key of Object.keys(additions)) {
    if (key === "__proto__") continue;
    const value = additions[key];
    const limit = KEPT[key] || kept;
    if (Array.isArray(value)) {
      const array = Array.isArray(target[key]) ? target[key] : (target[key] = []);
      array.push(...value);
      if (array.length > limit) array.splice(0, array.length - limit);
    } else if (value !== null && typeof value === "object") {
      if (target[key] === null || typeof target[key] !== "object") target[key] = {};
      appendInto(target[key], value, limit);
    }
  }
}

/** One topic's data and those who watch it. */
export class Topic {
  constructor(name) {
    this.name = name;
    /** @type {any} null until the first snapshot */
    this.data = null;
    this.number = 0;
    /** Epoch of the last message. */
    this.time = 0;
    this.fresh = false;
    /** Why there will be nothing more, or empty. */
    this.gone = "";
    /** @type {Set<(topic: Topic) => void>} */
    this.watchers = new Set();
    this.tell = () => {
      for (const watcher of [...this.watchers]) watcher(this);
    };
  }
}

export class Store {
  constructor() {
    /** @type {Map<string, Topic>} */
    this.topics = new Map();
    /** Set by the live connection. */
    this.onWanted = (_name) => {};
    this.onUnwanted = (_name) => {};
  }

  /**
   * Follow a topic.
   * @param {string} name
   * @param {(topic: Topic) => void} watcher called in an animation frame after changes, and at once if there is data
   * @returns {() => void} ends it
   */
  follow(name, watcher) {
    let topic = this.topics.get(name);
    if (!topic) {
      topic = new Topic(name);
      this.topics.set(name, topic);
      this.onWanted(name);
    }
    topic.watchers.add(watcher);
    if (topic.data !== null || topic.gone) watcher(topic);
    return () => {
      topic.watchers.delete(watcher);
      if (topic.watchers.size === 0 && this.topics.get(name) === topic) {
        this.topics.delete(name);
        this.onUnwanted(name);
      }
    };
  }

  names() {
    return [...this.topics.keys()];
  }

  /** The data of a topic, or null. */
  peek(name) {
    return this.topics.get(name)?.data ?? null;
  }

  snapshot(message) {
    const topic = this.topics.get(message.topic);
    if (!topic) return;
    Object.assign(topic, { data: message.data, number: message.n, time: message.time, fresh: true, gone: "" });
    soon(topic.tell);
  }

  /** @returns {boolean} false when a number is missing and a new snapshot is needed */
  delta(message) {
    const topic = this.topics.get(message.topic);
    if (!topic || topic.data === null) return true;
    if (!topic.fresh) return true; // what went before was missed; its snapshot is on the way
    if (message.n !== topic.number + 1) {
      topic.fresh = false;
      return false;
    }
    topic.number = message.n;
    topic.time = message.time;
    if (message.data) topic.data = mergePatch(topic.data, message.data);
    if (message.append) appendInto(topic.data, message.append);
    soon(topic.tell);
    return true;
  }

  goneTopic(message) {
    const topic = this.topics.get(message.topic);
    if (!topic) return;
    topic.gone = message.reason || "it is gone";
    topic.fresh = false;
    soon(topic.tell);
  }

  /** Nothing on the screen is fresh any more. */
  stale() {
    for (const topic of this.topics.values()) {
      topic.fresh = false;
      soon(topic.tell);
    }
  }
}
