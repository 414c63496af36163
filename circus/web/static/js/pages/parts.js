/** Pieces that several pages use. */

import { attr, h, put, show, text } from "../dom.js";
import { clock, instant, span } from "../format.js";
import { copyLine } from "../ui/copyline.js";
import { openDialog } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { watcherHref } from "../router.js";

/** A panel with a heading. @returns {any} its `.body` takes the content */
export function panel(title, { tools = [], cls = "", hint = "" } = {}) {
  const body = h("div", { class: "panel-body" });
  const heading = h("h2", null, title);
  const element = h(
    "section",
    { class: `panel ${cls}`, "aria-label": title },
    h(
      "header",
      { class: "panel-head" },
      heading,
      hint ? h("p", { class: "hint" }, hint) : null,
      h("div", { class: "panel-tools" }, tools),
    ),
    body,
  );
  element.body = body;
  element.heading = heading;
  return element;
}

/** A figure with its name. @returns {any} set it by `.set(value, detail)` */
export function tile(name, { tone = "" } = {}) {
  const value = h("span", { class: "tile-value" }, "–");
  const detail = h("span", { class: "tile-detail" });
  const element = h("div", { class: `tile ${tone}` }, h("dt", null, name), h("dd", null, value, detail));
  element.set = (words, more = "") => {
    text(value, words);
    text(detail, more);
  };
  element.value = value;
  return element;
}

/** Mark a part of the page whose figures are not current, and say from when they are. */
export function markStale(element, stale, time) {
  element.classList.toggle("stale", stale);
  let note = element.staleNote;
  if (stale && !note) {
    note = h("p", { class: "stale-note" });
    element.staleNote = note;
    element.prepend(note);
  }
  if (note) {
    show(note, stale);
    if (stale) text(note, time ? `Not current: as of ${clock(time)}` : "Not current");
  }
}

/** A search box that keeps what is typed in the query of the address. */
export function filterBox(router, { name = "q", placeholder, label, onInput }) {
  const field = h("input", {
    type: "search",
    class: "input filter",
    placeholder,
    "aria-label": label || placeholder,
    "data-filter": "",
    value: router.query.get(name) || "",
    spellcheck: "false",
    autocomplete: "off",
    on: {
      input: () => {
        router.setQuery({ [name]: field.value });
        onInput(field.value);
      },
    },
  });
  return {
    field,
    element: h("div", { class: "filter-box" }, icon("search"), field, h("kbd", { "aria-hidden": "true" }, "/")),
  };
}

/** Buttons of which one is chosen. @param {Array<[string, string]>} choices key and label */
export function chips(label, choices, chosen, onChoose) {
  const buttons = choices.map(([key, words]) =>
    h(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": key === chosen ? "true" : "false",
        on: { click: () => choose(key) },
      },
      words,
    ),
  );
  const element = h("div", { class: "chips", role: "group", "aria-label": label }, buttons);
  function choose(key) {
    choices.forEach(([each], index) => attr(buttons[index], "aria-pressed", each === key ? "true" : "false"));
    onChoose(key);
  }
  element.choose = choose;
  return element;
}

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
      return `${who}: ${exitText(event.exit_code)}${event.uptime !== undefined ? ` after ${span(event.uptime)}` : ""}${event.expected === false ? ", unexpected" : ""}`;
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

export function exitText(code) {
  if (typeof code !== "number") return "ended";
  return code < 0 ? `killed by SIG${SIGNALS[-code] || -code}` : `exited with ${code}`;
}

export function endpointName(ctx, eid) {
  const endpoint = ctx.store.peek("overview")?.endpoints?.[eid];
  return endpoint?.name || endpoint?.endpoint || eid;
}

/** [id, endpoint] pairs of the overview, sorted by name. */
export function endpointsOf(data) {
  return Object.entries(data?.endpoints || {}).sort(([, a], [, b]) => String(a.name).localeCompare(String(b.name)));
}

/** The endpoint the page is about: the one in the query, or the only one, or the first that is online. */
export function chosenEndpoint(ctx) {
  const all = endpointsOf(ctx.store.peek("overview"));
  const wanted = ctx.router.query.get("e");
  return (all.find(([eid]) => eid === wanted) || all.find(([, each]) => each.online) || all[0] || ["", null])[0];
}

/** A select of endpoints; hidden when there is only one. */
export function endpointSelect(ctx, onChange, { all = "" } = {}) {
  const select = h("select", {
    class: "input",
    "aria-label": "Endpoint",
    on: {
      change: () => {
        ctx.router.setQuery({ e: select.value });
        onChange(select.value);
      },
    },
  });
  let key = "";
  select.refresh = () => {
    const found = endpointsOf(ctx.store.peek("overview"));
    const now = found.map(([eid, each]) => eid + each.name).join();
    if (now === key) return;
    key = now;
    const before = select.value || ctx.router.query.get("e") || (all ? "" : chosenEndpoint(ctx));
    put(
      select,
      all ? h("option", { value: "" }, all) : null,
      found.map(([eid, each]) => h("option", { value: eid, selected: eid === before }, each.name || each.endpoint)),
    );
    show(select, found.length > 1);
  };
  return select;
}

/** Ask which signal to send. */
export async function askSignal(ctx, eid, watcher, worker, signals) {
  const select = h(
    "select",
    { class: "input", autofocus: true },
    (signals?.length
      ? signals
      : ["HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "TTIN", "TTOU", "WINCH", "CONT", "STOP"]
    ).map((name) => h("option", { value: name }, name)),
  );
  const children = h("input", { type: "checkbox" });
  const line = copyLine("");
  const words = () =>
    ctx.actions.line("signal", watcher.name, [
      ...(worker ? [worker.pid] : []),
      select.value,
      ...(children.checked ? ["--recursive"] : []),
    ]);
  const draw = () => line.setLine(words());
  select.addEventListener("change", draw);
  children.addEventListener("change", draw);
  draw();
  const dialog = openDialog({
    title: worker
      ? `Send a signal to worker ${worker.wid} (pid ${worker.pid})`
      : `Send a signal to all workers of ${watcher.name}`,
    body: h(
      "div",
      { class: "stack" },
      h("label", { class: "field" }, h("span", null, "Signal"), select),
      h("label", { class: "check" }, children, " Its child processes, too"),
      line,
    ),
    buttons: [
      h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
      h("button", { type: "button", class: "button primary", on: { click: () => dialog.close("yes") } }, "Send"),
    ],
  });
  if ((await dialog.closed) !== "yes") return;
  await ctx.actions.watcher(eid, watcher, "signal", {
    signum: select.value,
    ...(worker ? { pid: worker.pid } : {}),
    ...(children.checked ? { recursive: true } : {}),
  });
}

/** A page's first state: a quiet placeholder until its topic has data. */
export function loading(words = "Waiting for the first figures…") {
  return h("p", { class: "loading", role: "status" }, words);
}
