/** What happened, newest first: filter by watcher and kind, causes, a link to each event, older ones on demand. */

import { h, keyed, put, show, text } from "../dom.js";
import { plural } from "../format.js";
import { icon } from "../ui/icons.js";
import { endpointSelect } from "./endpoint_select.js";
import { eventKind, eventRow, eventText } from "./event_row.js";
import { chips, endpointsOf, filterBox, loading, markStale } from "./parts.js";

const KINDS = [
  ["", "All"],
  ["bad", "Failures"],
  ["note", "Changes"],
  ["quiet", "Processes and hooks"],
];
const SHOWN = 400;
const PAGE = 200;

export function mount(ctx) {
  const { router, store, live } = ctx;
  const wait = loading("Waiting for the events…");
  const list = h("ol", { class: "event-list" });
  const empty = h("p", { class: "empty", hidden: true });
  const older = h("button", { type: "button", class: "button", on: { click: () => fetchOlder() } }, "Older events");
  const found = h("span", { class: "hint", role: "status" });
  const endpoint = endpointSelect(ctx, () => draw(), { all: "All endpoints" });
  const watcher = h("select", {
    class: "input",
    "aria-label": "Watcher",
    on: {
      change: () => {
        router.setQuery({ w: watcher.value });
        draw();
      },
    },
  });
  const box = filterBox(router, {
    placeholder: "Filter: event, watcher, cause",
    label: "Filter events",
    onInput: () => draw(),
  });
  const kinds = chips("Kind", KINDS, router.query.get("kind") || "", (key) => {
    router.setQuery({ kind: key });
    draw();
  });
  const linked = h(
    "p",
    { class: "notice", hidden: true },
    icon("link"),
    h("span"),
    h(
      "button",
      {
        type: "button",
        class: "button small",
        on: {
          click: () => {
            router.setQuery({ seq: "" });
            draw();
          },
        },
      },
      "Show all",
    ),
  );
  const block = h("section", { class: "panel flush", "aria-label": "Events" }, list, empty);
  ctx.setHead({ title: "Events" });
  ctx.root.append(
    h("div", { class: "bar-row" }, endpoint, watcher, box.element, kinds, found),
    linked,
    wait,
    block,
    h("div", { class: "bar-row center" }, older),
  );
  /** @type {Map<string, any>} by endpoint and number */
  const events = new Map();
  let topic = null;
  let watcherNames = "";
  let linkedAsked = false;

  function take(event) {
    events.set(`${event.endpoint}:${event.seq ?? `${event.time}${event.event}${event.process_pid ?? ""}`}`, event);
  }

  function fillWatchers() {
    const names = [
      ...new Set(
        [
          ...endpointsOf(store.peek("overview")).flatMap(([, each]) =>
            Object.values(each.watchers || {}).map((one) => one.name),
          ),
          router.query.get("w"),
        ].filter(Boolean),
      ),
    ].sort();
    if (names.join() === watcherNames) return;
    watcherNames = names.join();
    const before = router.query.get("w") || "";
    put(
      watcher,
      h("option", { value: "" }, "All watchers"),
      names.map((name) => h("option", { value: name, selected: name === before }, name)),
    );
  }

  function draw() {
    if (!topic?.data) return;
    show(wait, false);
    const query = router.query;
    const letters = (query.get("q") || "").toLowerCase();
    const [eid, name, kind, seq] = ["e", "w", "kind", "seq"].map((key) => query.get(key) || "");
    const all = [...events.values()].sort((a, b) => b.time - a.time || (b.seq || 0) - (a.seq || 0));
    const wanted = all.filter(
      (event) =>
        (!eid || event.endpoint === eid) &&
        (!name || event.watcher === name) &&
        (!kind || eventKind(event) === kind) &&
        (!seq || String(event.seq) === seq) &&
        (!letters ||
          `${event.event} ${event.watcher} ${event.cause || ""} ${eventText(event)}`.toLowerCase().includes(letters)),
    );
    const many = endpointsOf(store.peek("overview")).length > 1;
    keyed(
      list,
      wanted.slice(0, SHOWN),
      (event) => `${event.endpoint}:${event.seq ?? event.time}:${event.event}`,
      (event) => eventRow(ctx, event, { many }),
      (node, event) => node.classList.toggle("linked", seq !== "" && String(event.seq) === seq),
    );
    show(empty, !wanted.length);
    text(
      empty,
      seq && !linkedAsked ? "Looking for the event…" : all.length ? "No event matches." : "Nothing has happened yet.",
    );
    text(found, plural(wanted.length, "event"));
    show(linked, !!seq);
    if (seq) text(linked.children[1], `Event ${seq}${wanted[0] ? ` of ${wanted[0].watcher}` : ""}, by a link to it.`);
    markStale(block, !topic.fresh, topic.time);
    if (seq && !wanted.length && !linkedAsked) askFor(eid, Number(seq));
  }

  async function askFor(eid, seq) {
    linkedAsked = true;
    await fetchPage({ endpoint: eid, since: seq - 1, before: seq + 1, limit: 1 });
  }

  async function fetchOlder() {
    const [eid, name] = [router.query.get("e") || "", router.query.get("w") || ""];
    for (const [id] of endpointsOf(store.peek("overview")).filter(([each]) => !eid || each === eid)) {
      const numbers = [...events.values()]
        .filter((event) => event.endpoint === id && event.seq)
        .map((event) => event.seq);
      const before = numbers.length ? Math.min(...numbers) : undefined;
      if (before !== undefined && before <= 1) continue;
      await fetchPage({ endpoint: id, name, before, limit: PAGE });
    }
  }

  async function fetchPage(query) {
    older.disabled = true;
    try {
      const told = await ctx.api.get("events", query);
      const before = events.size;
      for (const event of told.events || []) take({ endpoint: query.endpoint || event.endpoint, ...event });
      if (events.size === before) text(older, "No older events are kept");
    } catch (error) {
      ctx.toasts.tell("failed", "Older events could not be read", error.message);
    }
    older.disabled = false;
    draw();
  }

  const stops = [
    store.follow("overview", () => {
      endpoint.refresh();
      fillWatchers();
    }),
    store.follow("events", (changed) => {
      topic = changed;
      for (const event of topic.data?.events || []) take(event);
      draw();
    }),
    live.on("event", (message) => {
      take({ endpoint: message.endpoint, ...message.data });
      if (topic) topic.tell();
    }),
  ];
  return () => stops.forEach((stop) => stop());
}
