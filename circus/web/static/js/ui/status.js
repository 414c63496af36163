/** The state of a watcher or worker as a shape and a word; the colour only repeats them. */

import { attr, h, svg, text } from "../dom.js";

const SHAPES = {
  active: "M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z",
  busy: "M8 3a5 5 0 1 1 0 10zM8 3a5 5 0 1 0 0 10",
  stopped: "M4.500 4.500h7v7h-7z",
  problem: "M8 2.500l6 11H2z",
};
const KINDS = {
  active: "active",
  running: "active",
  starting: "busy",
  stopping: "busy",
  stopped: "stopped",
  asking: "busy",
};

/** What a watcher's summary comes to: `active`, `busy`, `stopped`, or `problem`. */
export function kindOf(watcher) {
  if (watcher.problem) return "problem";
  return KINDS[watcher.status || watcher.state] || "busy";
}

/** A pill with shape and word. Change it with {@link setStatus}. */
export function statusPill(status = "", kind = "") {
  const path = svg("path", { d: "" });
  const word = h("span", null);
  const more = h("span", { class: "sr" });
  const pill = h(
    "span",
    { class: "status" },
    svg("svg", { viewBox: "0 0 16 16", width: 12, height: 12, "aria-hidden": "true", class: "status-shape" }, path),
    word,
    more,
  );
  pill._parts = { path, word, more };
  if (status) setStatus(pill, status, kind);
  return pill;
}

export function setStatus(pill, status, kind = KINDS[status] || "busy") {
  attr(pill, "data-kind", kind);
  attr(pill._parts.path, "d", SHAPES[kind] || SHAPES.busy);
  text(pill._parts.word, status);
  text(pill._parts.more, kind === "problem" ? ", with a problem" : "");
}
