/** An event of a daemon: how grave it is, what it says, and its row in a list. */

import { h } from "../dom.js";
import { clock, instant, span } from "../format.js";
import { watcherHref } from "../router.js";
import { endpointName } from "./endpoint_select.js";

/** One event as a row. @param {any} ctx @param {any} event with `endpoint` */
export function eventRow(ctx, event, { withWatcher = true, many = false } = {}) {
  const kind = eventKind(event);
  return h(
    "li",
    { class: `event ${kind}`, id: `event-${event.endpoint}-${event.seq}` },
    h(
      "a",
      {
        class: "event-time",
        href: ctx.router.href("events", { e: event.endpoint, seq: event.seq }),
        title: `${instant(event.time)}; link to this event`,
      },
      clock(event.time),
    ),
    h(
      "span",
      { class: "event-name" },
      h("span", { class: "event-mark", "aria-hidden": "true" }, EVENT_MARKS[kind]),
      event.event,
    ),
    withWatcher
      ? h(
          "a",
          { class: "event-watcher", href: watcherHref(ctx.router, event.endpoint, event.watcher) },
          event.watcher,
          many ? h("small", null, ` ${endpointName(ctx, event.endpoint)}`) : null,
        )
      : null,
    h("span", { class: "event-text" }, eventText(event)),
    h("span", { class: "event-cause" }, event.cause || ""),
  );
}

const EVENT_MARKS = { bad: "▲", note: "◆", quiet: "·" };

export function eventKind(event) {
  if (event.event === "hook_failure" || (event.event === "reap" && event.expected === false && event.exit_code !== 0))
    return "bad";
  if (["spawn", "kill", "hook_success", "reap"].includes(event.event)) return "quiet";
  return "note";
}

/** What an event says besides its name and cause. */
export function eventText(event) {
  const pid = event.process_pid ? `pid ${event.process_pid}` : "";
  const who = event.wid ? `worker ${event.wid}, ${pid}` : pid;
  switch (event.event) {
    case "reap":
      return `${who}: ${exitText(event.exit_code)}${event.uptime !== undefined ? ` after ${span(event.uptime).replaceAll(" ", "\u00a0")}` : ""}${event.expected === false ? ", unexpected" : ""}`;
    case "spawn":
    case "kill":
      return who;
    case "updated":
      return event.option ? `option ${event.option}` : "";
    case "hook_success":
    case "hook_failure":
      return `${event.name || ""}${event.error ? `: ${event.error}` : ""}${event.go === false ? " (refused)" : ""}`;
    default:
      return "";
  }
}

const SIGNALS = {
  1: "HUP",
  2: "INT",
  3: "QUIT",
  4: "ILL",
  6: "ABRT",
  7: "BUS",
  8: "FPE",
  9: "KILL",
  11: "SEGV",
  13: "PIPE",
  14: "ALRM",
  15: "TERM",
  24: "XCPU",
  25: "XFSZ",
};

function exitText(code) {
  if (typeof code !== "number") return "ended";
  return code < 0 ? `killed by SIG${SIGNALS[-code] || -code}` : `exited with ${code}`;
}
