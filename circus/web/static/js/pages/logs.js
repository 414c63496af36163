/** Live output of one, several or all watchers, merged: search, levels, pause, download, a line in full. */

import { attr, h, keyed, put, show, soon, text } from "../dom.js";
import { count, instant, plural } from "../format.js";
import { watcherHref } from "../router.js";
import { ansiNodes } from "../ui/ansi.js";
import { copyButton } from "../ui/copyline.js";
import { icon, iconButton } from "../ui/icons.js";
import { LogList, RANKS } from "../ui/loglist.js";
import { endpointSelect } from "./endpoint_select.js";
import { endpointsOf } from "./parts.js";

const LINES = 500;
const LEVELS = [
  ["", "All levels"],
  ["info", "Info and above"],
  ["warn", "Warnings and errors"],
  ["error", "Errors only"],
];

export function mount(ctx) {
  const { router, live } = ctx;
  const query = () => router.query;
  const view = { watchers: (query().get("w") || "").split(",").filter(Boolean), error: "" };
  const detail = h("aside", { class: "log-detail", "aria-label": "The line in full", hidden: true });
  const list = new LogList({
    label: "Output",
    onPick: (line) => showDetail(ctx, detail, line),
    onState: () => soon(drawState),
  });
  const captured = {};

  const endpoint = endpointSelect(ctx, () => subscribe(), { all: "All endpoints" });
  const chosen = watcherPicker(ctx, view, () => {
    router.setQuery({ w: view.watchers.join(",") });
    subscribe();
  });
  const search = h("input", {
    type: "search",
    class: "input filter",
    placeholder: "Search",
    "aria-label": "Search in the output",
    "data-filter": "",
    spellcheck: "false",
    value: query().get("q") || "",
    on: { input: () => refilter() },
  });
  const regex = toggle("Regular expression", ".*", query().get("re") === "1", () => refilter());
  const only = toggle("Only lines that match", "Only matches", query().get("only") !== "0", () => refilter());
  const level = h(
    "select",
    { class: "input", "aria-label": "Level", on: { change: () => refilter() } },
    LEVELS.map(([key, words]) => h("option", { value: key, selected: key === (query().get("level") || "") }, words)),
  );
  const stream = h(
    "select",
    { class: "input", "aria-label": "Stream", on: { change: () => refilter() } },
    [
      ["", "Both streams"],
      ["stdout", "stdout"],
      ["stderr", "stderr"],
    ].map(([key, words]) => h("option", { value: key, selected: key === (query().get("s") || "") }, words)),
  );
  const pause = h(
    "button",
    { type: "button", class: "button", "aria-pressed": "false", on: { click: () => list.pause(!list.paused) } },
    icon("pause"),
    h("span", null, "Pause"),
  );
  const clear = h("button", { type: "button", class: "button", on: { click: () => list.clear() } }, "Clear");
  const save = h(
    "a",
    { class: "button", download: "", href: "#", title: "Download what the daemon keeps of this output" },
    icon("download"),
    h("span", null, "Download"),
  );
  const state = h("p", { class: "log-state hint", role: "status" });
  const problem = h("span", { class: "field-error" });
  const pidNote = h("button", {
    type: "button",
    class: "chip",
    hidden: true,
    on: {
      click: () => {
        router.setQuery({ pid: "" });
        refilter();
      },
    },
  });

  ctx.setHead({ title: "Logs", tools: [pause, clear, save] });
  ctx.root.classList.add("page-fill");
  ctx.root.append(
    h(
      "div",
      { class: "bar-row" },
      endpoint,
      chosen.element,
      h("div", { class: "filter-box grow" }, icon("search"), search, regex, h("kbd", { "aria-hidden": "true" }, "/")),
      only,
      level,
      stream,
      pidNote,
      problem,
    ),
    list.element,
    detail,
    state,
  );

  function subscribe() {
    list.clear();
    outdated = true;
    list.setEmpty("Waiting for output…");
    for (const key of Object.keys(captured)) delete captured[key];
    const eid = endpoint.value || null;
    live.followLogs({ endpoint: eid, watchers: view.watchers.length ? view.watchers : null, lines: LINES });
    save.href = ctx.api.url("api/v1/logs", {
      endpoint: eid,
      watchers: view.watchers.join(","),
      lines: 100000,
      download: 1,
    }).href;
  }

  function refilter() {
    const words = search.value;
    let pattern = null;
    view.error = "";
    if (words) {
      try {
        pattern = new RegExp(regex.on() ? words : words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
      } catch (error) {
        view.error = `Not a regular expression: ${error.message}`;
      }
    }
    text(problem, view.error);
    const least = RANKS[level.value] ?? -1;
    const pid = Number(query().get("pid")) || 0;
    show(pidNote, pid > 0);
    put(pidNote, `pid ${pid}`, icon("close", 12));
    const test = pattern ? new RegExp(pattern.source, "i") : null;
    router.setQuery({
      q: words,
      re: regex.on() ? "1" : "",
      only: only.on() ? "" : "0",
      level: level.value,
      s: stream.value,
    });
    list.filter(
      (line) =>
        (!level.value || RANKS[line.level] >= least) &&
        (!stream.value || line.stream === stream.value) &&
        (!pid || line.pid === pid) &&
        (!test || !only.on() || test.test(line.plain)),
      pattern,
    );
  }

  function drawState() {
    attr(pause, "aria-pressed", String(list.paused));
    text(
      pause.lastElementChild,
      list.paused ? `Go on${list.waiting.length ? ` (${count(list.waiting.length)})` : ""}` : "Pause",
    );
    const mute = Object.entries(captured)
      .filter(([, is]) => is === false)
      .map(([name]) => name);
    const parts = [
      `${plural(list.shown.length, "line")}${list.shown.length === list.lines.length ? "" : ` of ${count(list.lines.length)}`}`,
      live.state.phase !== "online"
        ? "not current: offline"
        : list.paused
          ? "paused"
          : list.following
            ? "following"
            : "scrolled back",
    ];
    if (mute.length)
      parts.push(
        `not captured: ${mute.slice(0, 5).join(", ")}${mute.length > 5 ? ` and ${mute.length - 5} more` : ""} (set capture = true)`,
      );
    text(state, parts.join(" · "));
    list.setEmpty(
      list.lines.length
        ? "No line matches."
        : mute.length && mute.length >= Math.max(1, view.watchers.length)
          ? "The output of these watchers is not captured: set capture = true for them, or give them a stdout_stream."
          : "Nothing has been written yet.",
    );
  }

  let firsts = 0;
  /** Until the first answer, what comes is of another choice, and was on its way when this one was made. */
  let outdated = false;
  const stops = [
    live.on("lines", (message) => {
      if (outdated && !message.first) return;
      if (message.first) {
        outdated = false;
        Object.assign(captured, message.captured || {});
        firsts += 1;
      }
      list.add(message.lines || [], message.lost);
      if (message.first && firsts > 1) list.sortByTime();
      if (message.first) soon(drawState);
    }),
    live.on("state", () => {
      if (live.state.phase === "offline") list.again = true;
      else if (live.state.phase === "online" && list.again) {
        // the answer to come holds all of it again
        list.again = false;
        list.clear();
      }
      soon(drawState);
    }),
    ctx.store.follow("overview", () => {
      endpoint.refresh();
      chosen.refresh();
    }),
    ctx.keys.bind("Logs", {
      p: ["Pause or go on", () => list.pause(!list.paused)],
      G: ["Go to the newest line", () => list.follow()],
      x: ["Clear", () => list.clear()],
      w: ["Choose watchers", () => chosen.open()],
    }),
  ];
  refilter();
  subscribe();
  return () => {
    stops.forEach((stop) => stop());
    live.followLogs(null);
    list.destroy();
    ctx.root.classList.remove("page-fill");
  };
}

function toggle(label, words, on, changed) {
  const button = h(
    "button",
    {
      type: "button",
      class: "chip",
      "aria-pressed": String(on),
      "aria-label": label,
      title: label,
      on: {
        click: () => {
          attr(button, "aria-pressed", String(!button.on()));
          changed();
        },
      },
    },
    words,
  );
  button.on = () => button.getAttribute("aria-pressed") === "true";
  return button;
}

/** A button with a list of check boxes. */
function watcherPicker(ctx, view, changed) {
  const words = h("span");
  const button = h("summary", { class: "button" }, icon("filter"), words);
  const find = h("input", {
    type: "search",
    class: "input",
    placeholder: "Find a watcher",
    "aria-label": "Find a watcher",
    on: { input: () => draw() },
  });
  const list = h("ul", { class: "pick-list" });
  const none = h("button", { type: "button", class: "button small", on: { click: () => choose([]) } }, "All watchers");
  const element = h(
    "details",
    { class: "picker" },
    button,
    h("div", { class: "picker-pop" }, find, list, h("div", { class: "bar-row" }, none)),
  );
  const outside = (event) => element.open && !element.contains(event.target) && (element.open = false);
  element.addEventListener("toggle", () => {
    if (element.open) {
      document.addEventListener("pointerdown", outside);
      find.focus();
      draw();
    } else document.removeEventListener("pointerdown", outside);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    element.open = false;
    button.focus();
  });

  function choose(names) {
    view.watchers = names;
    changed();
    draw();
  }

  function draw() {
    text(
      words,
      view.watchers.length === 0
        ? "All watchers"
        : view.watchers.length <= 2
          ? view.watchers.join(", ")
          : plural(view.watchers.length, "watcher"),
    );
    if (!element.open) return;
    const letters = find.value.toLowerCase();
    const names = [
      ...new Set(
        endpointsOf(ctx.store.peek("overview")).flatMap(([, each]) =>
          Object.values(each.watchers || {}).map((watcher) => watcher.name),
        ),
      ),
    ]
      .filter((name) => name.toLowerCase().includes(letters))
      .sort();
    keyed(
      list,
      names,
      (name) => name,
      (name) =>
        h(
          "li",
          null,
          h(
            "label",
            { class: "check" },
            h("input", {
              type: "checkbox",
              on: {
                change: (event) =>
                  choose(
                    event.target.checked ? [...view.watchers, name] : view.watchers.filter((each) => each !== name),
                  ),
              },
            }),
            ` ${name}`,
          ),
        ),
      (node, name) => (node.querySelector("input").checked = view.watchers.includes(name)),
    );
  }

  draw();
  return { element, refresh: draw, open: () => (element.open = true) };
}

function showDetail(ctx, box, line) {
  const words = pretty(line.plain) || null;
  const eid = line.endpoint;
  put(
    box,
    h(
      "header",
      null,
      h("strong", null, `${line.watcher}.${line.wid ?? "–"}`),
      h("span", { class: "hint" }, `pid ${line.pid} · ${line.stream} · ${instant(line.time)}`),
      h("span", { class: "grow" }),
      eid ? h("a", { class: "button small", href: watcherHref(ctx.router, eid, line.watcher) }, "Watcher") : null,
      copyButton(() => line.plain, "Copy the line"),
      iconButton("close", "Close", () => show(box, false)),
    ),
    h("pre", { tabindex: "0" }, words || ansiNodes(line.text)),
  );
  show(box, true);
}

/** JSON on a line, laid out. */
function pretty(words) {
  const at = words.indexOf("{");
  if (at < 0 || !words.trimEnd().endsWith("}")) return "";
  try {
    return words.slice(0, at) + JSON.stringify(JSON.parse(words.slice(at)), null, 2);
  } catch {
    return "";
  }
}
