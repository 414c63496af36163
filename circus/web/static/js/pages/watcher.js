/** One watcher: why it is as it is, its figures and charts, its workers, output, options, hooks and events. */

import { h, keyed, put, show } from "../dom.js";
import { UNKNOWN, age, bytes, clock, count, percent, plural } from "../format.js";
import { icon, iconButton } from "../ui/icons.js";
import { menuButton } from "../ui/menu.js";
import { kindOf, setStatus, statusPill } from "../ui/status.js";
import { makeTabs } from "../ui/tabs.js";
import { askSignal } from "./ask_signal.js";
import { endpointName } from "./endpoint_select.js";
import { eventRow } from "./event_row.js";
import { tile } from "./panel.js";
import { endpointsOf, loading, markStale } from "./parts.js";
import { watcherCharts } from "./watcher_charts.js";
import { hooksTab, optionsTab } from "./watcher_options.js";
import { outputTab } from "./watcher_output.js";
import { storyTab, whyPanel } from "./watcher_why.js";
import { workersTab } from "./watcher_workers.js";

export function mount(ctx) {
  const { eid, name } = ctx.params;
  const topicName = `watcher:${eid}/${name}`;
  const page = { ...ctx, eid, name, data: null };
  const wait = loading();
  const gone = h(
    "div",
    { class: "empty-state", hidden: true },
    h("h2", null, `${name} is gone`),
    h("p"),
    h("a", { class: "button", href: ctx.router.href("") }, "To the overview"),
  );
  ctx.root.append(wait, gone);
  const crumbs = [h("a", { href: ctx.router.href("") }, "Overview")];
  ctx.setHead({ title: name, crumbs });
  let view = null;

  const stop = ctx.store.follow(topicName, (topic) => {
    show(wait, false);
    const lost = topic.gone && !topic.data;
    show(gone, !!topic.gone);
    if (topic.gone) put(gone.querySelector("p"), topic.gone);
    if (lost || !topic.data) return;
    page.data = topic.data;
    if (!view) {
      view = watcherView(page);
      ctx.root.append(view.element);
      if (endpointsOf(ctx.store.peek("overview")).length > 1) crumbs.push(" / ", endpointName(ctx, eid));
      ctx.setHead({ title: name, crumbs, tools: view.tools });
    }
    const endpoint = ctx.store.peek("overview")?.endpoints?.[eid];
    const stale = !topic.fresh || endpoint?.online === false;
    view.update(stale, topic.time);
  });
  const unbind = ctx.keys.bind("This watcher", {
    s: ["Start or stop it", () => view?.act(page.data.watcher.status === "stopped" ? "start" : "stop")],
    r: ["Restart it", () => view?.act("restart")],
    R: ["Reload it", () => view?.act("reload")],
    "+": ["One worker more", () => view?.act("incr")],
    "-": ["One worker less", () => view?.act("decr")],
    w: ["Its workers", () => view?.tabs.choose("workers")],
    l: ["Its output", () => view?.tabs.choose("output")],
    o: ["Its options", () => view?.tabs.choose("options")],
    e: ["Its events", () => view?.tabs.choose("events")],
    y: ["Why it is so", () => view?.tabs.choose("why")],
  });
  return () => {
    stop();
    unbind();
    view?.destroy();
  };
}

function watcherView(page) {
  const act = (action, body) => page.actions.watcher(page.eid, page.data.watcher, action, body);
  const tools = headTools(page, act);
  const why = whyPanel(page, () => tabs.choose("why"));
  const tiles = figures(page, act);
  const charts = watcherCharts(page);
  const tabs = makeTabs({
    label: "About this watcher",
    chosen: page.router.query.get("tab") || "workers",
    onChange: (key) => page.router.setQuery({ tab: key === "workers" ? "" : key }),
    tabs: [
      { key: "workers", label: "Workers", make: () => workersTab(page) },
      { key: "output", label: "Output", make: () => outputTab(page) },
      { key: "options", label: "Options", make: () => optionsTab(page) },
      { key: "hooks", label: "Hooks", make: () => hooksTab(page) },
      { key: "events", label: "Events", make: () => eventsTab(page) },
      { key: "why", label: "Story", make: () => storyTab(page) },
    ],
  });
  const live = h("div", { class: "stack" }, why.element, tiles.element, charts.element);
  const element = h(
    "div",
    { class: "stack" },
    live,
    h("section", { class: "panel tabbed", "aria-label": "Details" }, tabs.bar, tabs.panel),
  );
  if (page.router.query.get("tab")) requestAnimationFrame(() => tabs.bar.scrollIntoView({ block: "start" }));
  return {
    element,
    tools: tools.elements,
    tabs,
    act,
    update(stale, time) {
      markStale(live, stale, time);
      tabs.panel.classList.toggle("stale", stale);
      tools.update(stale);
      why.update();
      tiles.update();
      charts.update();
      tabs.setCount("workers", count(Object.keys(page.data.workers || {}).length));
      tabs.update();
    },
    destroy() {
      charts.destroy();
      tabs.destroy();
    },
  };
}

function headTools(page, act) {
  const pill = statusPill("", "");
  const main = h("button", {
    type: "button",
    class: "button",
    on: { click: () => act(page.data.watcher.status === "stopped" ? "start" : "stop") },
  });
  const restart = h(
    "button",
    { type: "button", class: "button", on: { click: () => act("restart") } },
    icon("restart"),
    h("span", null, "Restart"),
  );
  const reload = h(
    "button",
    { type: "button", class: "button", on: { click: () => act("reload") } },
    icon("reload"),
    h("span", null, "Reload"),
  );
  const menu = menuButton({
    content: icon("more"),
    cls: "button square",
    label: "More actions",
    items: () => {
      const { watcher } = page.data;
      const operator = page.actions.forbidden("signal");
      return [
        { label: "One worker more", icon: "add", key: "+", disabled: operator, run: () => act("incr") },
        { label: "One worker less", icon: "minus", key: "-", disabled: operator, run: () => act("decr") },
        {
          label: "Send a signal…",
          icon: "signal",
          disabled: operator,
          run: () => askSignal(page, page.eid, watcher, null, page.signals),
        },
        {
          label: "Reload one by one",
          icon: "reload",
          disabled: operator,
          run: () => act("reload", { sequential: true }),
        },
        null,
        {
          label: "Remove…",
          icon: "close",
          danger: true,
          disabled: page.actions.forbidden("rm"),
          run: async () => {
            if (await act("rm")) page.router.go(page.router.href(""));
          },
        },
      ];
    },
  });
  let shown = "";
  return {
    elements: [pill, main, restart, reload, menu],
    update(stale) {
      const { watcher } = page.data;
      setStatus(pill, watcher.status || UNKNOWN, kindOf(watcher));
      const stopped = watcher.status === "stopped";
      const key = `${stopped}${page.api.session.role}`;
      if (key !== shown) {
        shown = key;
        put(main, icon(stopped ? "start" : "stop"), h("span", null, stopped ? "Start" : "Stop"));
        main.classList.toggle("primary", stopped);
        for (const [button, action] of [
          [main, "stop"],
          [restart, "restart"],
          [reload, "reload"],
        ]) {
          const why = page.actions.forbidden(action);
          button.title = why || page.actions.line(button === main && stopped ? "start" : action, page.name);
        }
      }
      const forbidden = !!page.actions.forbidden("stop");
      main.disabled = forbidden || stale;
      restart.disabled = reload.disabled = forbidden || stale || stopped;
    },
  };
}

function figures(page, act) {
  const workers = tile("Workers");
  const step = (name, label, action) =>
    iconButton(name, label, () => act(action), { title: page.actions.line(action, page.name) });
  const less = step("minus", "One worker less", "decr");
  const more = step("add", "One worker more", "incr");
  workers.querySelector("dd").append(h("span", { class: "stepper" }, less, more));
  const cpu = tile("CPU");
  const memory = tile("Memory");
  const restarts = tile("Restarts");
  const uptime = tile("Uptime");
  const queue = tile("Accept queue");
  return {
    element: h("dl", { class: "tiles" }, workers, cpu, memory, restarts, uptime, queue),
    update() {
      const { watcher } = page.data;
      const list = Object.values(page.data.workers || {});
      workers.set(count(watcher.count), watcher.numprocesses === undefined ? "" : `of ${count(watcher.numprocesses)}`);
      less.disabled = more.disabled =
        !!page.actions.forbidden("incr") || watcher.status === "stopped" || !!watcher.singleton;
      cpu.set(
        percent(watcher.cpu),
        list.length > 1 ? `most ${percent(Math.max(...list.map((each) => each.cpu || 0)))}` : "",
      );
      memory.set(
        bytes(watcher.rss),
        list.length > 1 ? `most ${bytes(Math.max(...list.map((each) => each.rss || 0)))}` : "",
      );
      restarts.set(count(watcher.restarts), watcher.rate ? `${watcher.rate} in the last minute` : "");
      restarts.classList.toggle("bad", watcher.rate >= 3);
      uptime.set(age(watcher.uptime), watcher.last_exit ? `last end ${clock(watcher.last_exit.time)}` : "");
      show(queue, !!watcher.sockets?.length || (watcher.queue !== null && watcher.queue !== undefined));
      queue.set(count(watcher.queue), watcher.sockets?.length ? plural(watcher.sockets.length, "socket") : "");
    },
  };
}

function eventsTab(page) {
  const list = h("ol", { class: "event-list compact" });
  const empty = h("p", { class: "empty" }, "No events since the daemon started.");
  const element = h(
    "div",
    null,
    list,
    empty,
    h(
      "p",
      { class: "panel-note" },
      h("a", { href: page.router.href("events", { w: page.name, e: page.eid }) }, "All events of this watcher"),
    ),
  );
  const update = () => {
    const events = (page.data.events || []).slice().reverse();
    show(empty, !events.length);
    keyed(
      list,
      events,
      (event) => String(event.seq),
      (event) => eventRow(page, { endpoint: page.eid, watcher: page.name, ...event }, { withWatcher: false }),
    );
  };
  update();
  return { element, update };
}
