/**
 * Many lines of output in a box that draws only those in view. Lines come at the bottom and are followed until
 * somebody scrolls up. Knows lines as `{watcher, wid, pid, stream, time, text}` and nothing of where they come from.
 */

import { attr, h, keyed, show, soon, text } from "../dom.js";
import { clock, plural } from "../format.js";
import { ansiNodes, plain } from "./ansi.js";
import { icon } from "./icons.js";

const LINE = 19;
const MOST = 50_000;
const CUT = 5_000;
const OVERSCAN = 20;
const HUES = 8;

const LEVELS = [
  ["error", /\b(?:ERROR|CRITICAL|FATAL|PANIC|EMERG|Traceback|[A-Z]\w*(?:Error|Exception)(?=:))\b/],
  ["warn", /\bWARN(?:ING)?\b/i],
  ["debug", /\b(?:DEBUG|TRACE)\b/],
  ["info", /\b(?:INFO|NOTICE)\b/],
];
export const RANKS = { debug: 0, "": 1, info: 1, warn: 2, error: 3 };
const MARKS = { error: "E", warn: "W", info: "", debug: "", "": "" };

/** The level a line speaks of, or empty. */
export function levelOf(words) {
  const head = words.length > 400 ? words.slice(0, 400) : words;
  for (const [level, pattern] of LEVELS) if (pattern.test(head)) return level;
  return "";
}

export class LogList {
  /** @param {{onPick?: (line: any) => void, label?: string, showWatcher?: boolean, onState?: () => void}} options */
  constructor(options = {}) {
    this.options = options;
    this.lines = [];
    this.shown = [];
    this.waiting = [];
    this.paused = false;
    this.following = true;
    this.unseen = 0;
    this.lastTop = 0;
    this.serial = 0;
    this.search = null;
    /** @type {(line: any) => boolean} */
    this.wanted = () => true;
    this.hues = new Map();
    this.page = h("div", { class: "log-lines" });
    this.space = h("div", { class: "log-space" }, this.page);
    this.box = h(
      "div",
      { class: "log-box", tabindex: "0", role: "log", "aria-live": "off", "aria-label": options.label || "Output" },
      this.space,
    );
    this.jump = h(
      "button",
      { type: "button", class: "button log-jump", hidden: true, on: { click: () => this.follow() } },
      icon("down"),
      h("span"),
    );
    this.empty = h("p", { class: "empty log-empty" });
    this.element = h("div", { class: "log-view" }, this.box, this.empty, this.jump);
    this.draw = () => this.#draw();
    this.box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.sized = new ResizeObserver(() => soon(this.draw));
    this.sized.observe(this.box);
  }

  destroy() {
    this.sized.disconnect();
  }

  setEmpty(words) {
    text(this.empty, words);
    soon(this.draw);
  }

  /** Take new lines, oldest first. `lost` lines are told of before them. */
  add(lines, lost = 0) {
    const fresh = lost ? [{ gap: lost, time: lines[0]?.time ?? 0, text: "" }, ...lines] : lines;
    if (this.paused) {
      this.waiting.push(...fresh);
      if (this.waiting.length > MOST) this.waiting.splice(0, this.waiting.length - MOST);
      this.options.onState?.();
      return;
    }
    for (const line of fresh) {
      const entry = line.gap ? line : { ...line, plain: plain(line.text), level: "" };
      if (!line.gap) entry.level = levelOf(entry.plain);
      entry.key = String((this.serial += 1));
      this.lines.push(entry);
      if (this.wanted(entry)) {
        this.shown.push(entry);
        if (!this.following) this.unseen += 1;
      }
    }
    if (this.lines.length > MOST + CUT) this.#cut();
    soon(this.draw);
    this.options.onState?.();
  }

  /** Put the lines of several first answers in order of time. */
  sortByTime() {
    this.lines.sort((a, b) => a.time - b.time);
    this.refilter();
  }

  clear() {
    this.lines = [];
    this.waiting = [];
    this.refilter();
  }

  /** Show only what `wanted` says; mark what `search` finds. */
  filter(wanted, search) {
    this.wanted = wanted;
    this.search = search;
    this.refilter();
  }

  refilter() {
    this.shown = this.lines.filter((line) => line.gap || this.wanted(line));
    this.unseen = 0;
    this.page._keyed?.forEach((node) => node.remove());
    this.page._keyed = new Map();
    soon(this.draw);
    this.options.onState?.();
  }

  pause(paused) {
    this.paused = paused;
    if (!paused) {
      const waiting = this.waiting;
      this.waiting = [];
      this.add(waiting);
    }
    this.options.onState?.();
  }

  follow() {
    this.following = true;
    this.unseen = 0;
    soon(this.draw);
    this.options.onState?.();
  }

  // -- inside ------------------------------------------------------------------------------------------

  #cut() {
    const old = new Set(this.lines.splice(0, this.lines.length - MOST));
    const before = this.shown.length;
    this.shown = this.shown.filter((line) => !old.has(line));
    if (!this.following) this.box.scrollTop -= (before - this.shown.length) * LINE;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const bottom = scrollHeight - clientHeight - scrollTop < LINE;
    // Only going up ends the following: new lines and a change of size leave the place where it was.
    const following = bottom || (this.following && scrollTop >= this.lastTop - 1);
    this.lastTop = scrollTop;
    if (following !== this.following) {
      this.following = following;
      if (following) this.unseen = 0;
      this.options.onState?.();
    }
    soon(this.draw);
  }

  #draw() {
    const total = this.shown.length;
    show(this.empty, total === 0);
    const height = `${total * LINE}px`;
    if (this.space.style.height !== height) this.space.style.setProperty("height", height);
    if (this.following) {
      this.box.scrollTop = total * LINE;
      this.lastTop = this.box.scrollTop;
    }
    const first = Math.max(0, Math.floor(this.box.scrollTop / LINE) - OVERSCAN);
    const last = Math.min(total, Math.ceil((this.box.scrollTop + this.box.clientHeight) / LINE) + OVERSCAN);
    this.page.style.setProperty("transform", `translateY(${first * LINE}px)`);
    keyed(
      this.page,
      this.shown.slice(first, last),
      (line) => line.key,
      (line) => this.#line(line),
    );
    show(this.jump, !this.following && total > 0);
    text(this.jump.lastElementChild, this.unseen ? `${plural(this.unseen, "new line")}` : "Newest");
  }

  #line(line) {
    if (line.gap)
      return h(
        "div",
        { class: "log-line gap" },
        `${plural(line.gap, "line")} lost: written faster than they could be sent`,
      );
    const names = this.options.showWatcher === false ? `${line.wid ?? "–"}` : `${line.watcher}.${line.wid ?? "–"}`;
    const node = h(
      "div",
      { class: `log-line ${line.level}` },
      h("span", { class: "log-time" }, clock(line.time, { millis: true })),
      h("span", { class: `log-who hue-${this.#hue(line)}`, title: `pid ${line.pid}` }, names),
      h(
        "span",
        { class: "log-mark", title: line.stream, "aria-label": line.stream === "stderr" ? "standard error" : "" },
        MARKS[line.level] || (line.stream === "stderr" ? "!" : ""),
      ),
      h("span", { class: "log-text" }, ansiNodes(line.text, this.search)),
    );
    if (this.options.onPick) {
      node.addEventListener("click", () => getSelection().isCollapsed && this.options.onPick(line));
    }
    attr(node, "data-level", line.level || null);
    return node;
  }

  #hue(line) {
    const key = this.options.showWatcher === false ? line.wid : line.watcher;
    if (!this.hues.has(key)) this.hues.set(key, this.hues.size % HUES);
    return this.hues.get(key);
  }
}
