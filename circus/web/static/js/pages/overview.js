/** All watchers of all daemons: what needs attention first, then a table with a filter that lives in the address. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { UNKNOWN, age, bytes, clock, count, percent, plural } from "../format.js";
import { makeFilter } from "../filter.js";
import { watcherHref } from "../router.js";
import { icon } from "../ui/icons.js";
import { menuButton } from "../ui/menu.js";
import { sparkColumn } from "../ui/sparkline.js";
import { kindOf, setStatus, statusPill } from "../ui/status.js";
import { DataTable, figure } from "../ui/table.js";
import { EndpointBlocks } from "./endpoint_blocks.js";
import { chips, endpointsOf, filterBox, loading, markStale } from "./parts.js";

const VIEWS = [
  ["", "All"],
  ["problem", "Problems"],
  ["active", "Active"],
  ["stopped", "Stopped"],
  ["plugin", "Plugins"],
];
const MOST_PROBLEMS = 6;

export function mount(ctx) {
  const { router, store } = ctx;
  const blocks = new EndpointBlocks((eid) => (eid ? endpointBlock(ctx, eid) : nothingYet(ctx)));
  const wait = loading();
  const box = filterBox(router, {
    placeholder: "Filter: name, is:problem, cpu>50, restarts>0",
    label: "Filter watchers",
    onInput: () => redraw(),
  });
  const views = chips("Show", VIEWS, router.query.get("view") || "", (key) => {
    router.setQuery({ view: key });
    redraw();
  });
  const found = h("span", { class: "hint", role: "status" });
  ctx.root.append(h("div", { class: "bar-row" }, box.element, views, found), wait, blocks.element);
  ctx.setHead({
    title: "Overview",
    tools: [h("a", { class: "button", href: router.href("add") }, icon("add"), h("span", null, "Add watcher"))],
  });
  let topic = null;

  function redraw() {
    if (!topic?.data) return;
    const all = endpointsOf(topic.data);
    const only = router.query.get("e");
    const shown = all.filter(([eid]) => !only || eid === only || !topic.data.endpoints[only]);
    show(wait, false);
    const wanted = makeFilter(`${router.query.get("q") || ""} ${viewFilter(router.query.get("view"))}`);
    let matches = 0;
    blocks.update(shown.length ? shown : [["", null]], (block, endpoint) => {
      matches += block.update(endpoint, { wanted, fresh: topic.fresh, time: topic.time, many: all.length > 1 });
    });
    text(found, router.query.get("q") || router.query.get("view") ? `${plural(matches, "match", "matches")}` : "");
  }

  const stop = store.follow("overview", (changed) => {
    topic = changed;
    redraw();
  });
  return () => {
    stop();
    blocks.destroy();
  };
}

function viewFilter(view) {
  return { problem: "is:problem", active: "status:active", stopped: "status:stopped", plugin: "is:plugin" }[view] || "";
}

/** What stands in the place of the first daemon. */
function nothingYet(ctx) {
  const element = h(
    "div",
    { class: "empty-state" },
    icon("endpoint", 28),
    h("h2", null, "No daemon is connected"),
    h("p", null, "Connect to a circusd by its endpoint, or pick one that was discovered."),
    h("a", { class: "button primary", href: ctx.router.href("connect") }, "Connect"),
  );
  return { element, update: () => 0 };
}

/** One daemon's part of the page. */
function endpointBlock(ctx, eid) {
  const name = h("h2", null);
  const about = h("p", { class: "hint" });
  const menu = menuButton({
    content: [h("span", null, "All watchers"), icon("down")],
    cls: "button",
    items: () => allItems(ctx, eid),
  });
  const head = h("header", { class: "endpoint-head" }, h("div", null, name, about), menu);
  const totals = totalsRow();
  const attention = attentionList(ctx, eid);
  const table = watcherTable(ctx, eid);
  const element = h("section", { class: "endpoint-block" }, head, totals.element, attention.element, table.element);
  return {
    element,
    destroy: () => table.destroy(),
    /** @returns {number} how many watchers match */
    update(endpoint, { wanted, fresh, time, many }) {
      const label = endpoint.name || endpoint.endpoint;
      text(name, label);
      text(
        about,
        [
          many || endpoint.name !== endpoint.endpoint ? endpoint.endpoint : "",
          endpoint.version ? `circus ${endpoint.version}` : "",
          endpoint.online && endpoint.since ? `connected since ${clock(endpoint.since)}` : "",
        ]
          .filter(Boolean)
          .join(" · "),
      );
      attr(element, "aria-label", `Watchers of ${label}`);
      const watchers = Object.values(endpoint.watchers || {});
      const stale = !fresh || endpoint.online === false;
      markStale(element, stale, endpoint.online === false ? endpoint.since : time);
      totals.update(endpoint.totals || {});
      attention.update(watchers.filter((each) => each.problem));
      const rows = watchers.filter(wanted);
      table.setRows(
        rows,
        watchers.length
          ? "No watcher matches the filter."
          : endpoint.online === false
            ? "Nothing is known of this daemon yet."
            : "This daemon has no watchers. Add one, or write one into its configuration and reload it.",
      );
      return rows.length;
    },
  };
}

/**
 * What makes menu items of actions.
 * @param {string} why they may not be done, or empty @param {(action: string) => any} run
 */
function actionItem(why, run) {
  return (action, label, more) => ({ label, icon: action, disabled: why, run: () => run(action), ...more });
}

function allItems(ctx, eid) {
  const endpoint = ctx.store.peek("overview")?.endpoints?.[eid];
  if (!endpoint) return [];
  const why = endpoint.online === false ? "the daemon is offline" : ctx.actions.forbidden("stop");
  const item = actionItem(why, (action) => ctx.actions.all(eid, endpoint, action));
  return [
    item("start", "Start all"),
    item("reload", "Reload all"),
    item("restart", "Restart all"),
    null,
    item("stop", "Stop all", { danger: true }),
    null,
    {
      label: "Reload the configuration…",
      icon: "reload",
      disabled: ctx.actions.forbidden("reloadconfig"),
      run: () => ctx.router.go(ctx.router.href("reload", { e: eid })),
    },
  ];
}

const TOTALS = [
  ["watchers", "Watchers", count],
  ["active", "Active", count],
  ["stopped", "Stopped", count],
  ["failing", "Problems", count],
  ["processes", "Workers", count],
  ["cpu", "CPU", percent],
  ["rss", "Memory", bytes],
  ["restarts", "Restarts", count],
];

function totalsRow() {
  const cells = TOTALS.map(([key, label, show_]) => ({ key, show: show_, value: h("dd", null, UNKNOWN), label }));
  const element = h(
    "dl",
    { class: "totals" },
    cells.map((cell) => (cell.box = h("div", { "data-total": cell.key }, h("dt", null, cell.label), cell.value))),
  );
  return {
    element,
    update(totals) {
      for (const cell of cells) text(cell.value, cell.show(totals[cell.key]));
      cells[3].box.classList.toggle("bad", totals.failing > 0);
    },
  };
}

/** What somebody should look at. */
function attentionList(ctx, eid) {
  const list = h("ul", { class: "attention-list" });
  const more = h("p", { class: "hint" });
  const element = h(
    "section",
    { class: "attention", "aria-label": "Needs attention", hidden: true },
    h("h3", null, icon("warning"), "Needs attention"),
    list,
    more,
  );
  const make = (watcher) => {
    const words = h("p", { class: "attention-words" });
    const last = h("p", { class: "attention-last" });
    const link = h("a", { class: "attention-name", href: watcherHref(ctx.router, eid, watcher.name) }, watcher.name);
    const item = h(
      "li",
      { class: "attention-item" },
      h("div", { class: "attention-main" }, link, words, last),
      h(
        "div",
        { class: "attention-tools" },
        h("a", { class: "button small", href: watcherHref(ctx.router, eid, watcher.name, { tab: "why" }) }, "Why?"),
        h(
          "a",
          { class: "button small", href: watcherHref(ctx.router, eid, watcher.name, { tab: "output" }) },
          "Last output",
        ),
      ),
    );
    item._parts = { words, last };
    return item;
  };
  return {
    element,
    update(watchers) {
      show(element, watchers.length > 0);
      const shown = watchers
        .slice()
        .sort((a, b) => (b.rate || 0) - (a.rate || 0) || a.name.localeCompare(b.name))
        .slice(0, MOST_PROBLEMS);
      keyed(
        list,
        shown,
        (each) => each.name,
        make,
        (node, watcher) => {
          text(node._parts.words, watcher.problem);
          text(
            node._parts.last,
            lastEnd(watcher),
          );
        },
      );
      text(
        more,
        watchers.length > MOST_PROBLEMS ? `and ${watchers.length - MOST_PROBLEMS} more: filter by is:problem` : "",
      );
    },
  };
}

/** How its last worker ended, where the problem does not say so already. */
function lastEnd({ last_exit: last, problem }) {
  if (!last) return "";
  return problem.includes(last.text) ? `at ${clock(last.time)}` : `Last end: ${last.text} at ${clock(last.time)}`;
}

function watcherTable(ctx, eid) {
  const { router } = ctx;
  const [key, direction] = (router.query.get("sort") || "name").split(":");
  return new DataTable({
    label: "Watchers",
    cls: "watchers",
    keyOf: (row) => row.name,
    rank: (a, b) => (b.problem ? 1 : 0) - (a.problem ? 1 : 0) || (a.plugin ? 1 : 0) - (b.plugin ? 1 : 0),
    sort: { key, descending: direction === "down" },
    onSort: (sort) =>
      router.setQuery({
        sort: sort.key === "name" && !sort.descending ? "" : `${sort.key}${sort.descending ? ":down" : ""}`,
      }),
    decorate: (row, tr) => attr(tr, "data-kind", kindOf(row)),
    columns: [
      {
        key: "name",
        label: "Watcher",
        sort: (row) => row.name,
        cls: "c-name",
        make: (row) =>
          h(
            "span",
            { class: "name-cell" },
            h("a", { href: watcherHref(router, eid, row.name), title: row.name }, row.name),
            row.plugin ? h("span", { class: "tag" }, "plugin") : null,
            row.on_demand ? h("span", { class: "tag" }, "on demand") : null,
          ),
      },
      {
        key: "status",
        label: "State",
        sort: (row) => (row.problem ? "0" : row.status),
        cls: "c-status",
        make: () => statusPill(),
        update: (pill, row) => {
          setStatus(pill, row.status, kindOf(row));
          attr(pill, "title", row.problem || null);
        },
      },
      figure("count", "Workers", count, {
        cls: "c-count",
        text: (row) =>
          row.numprocesses === undefined || row.numprocesses === null
            ? count(row.count)
            : `${count(row.count)}/${count(row.numprocesses)}`,
      }),
      figure("cpu", "CPU", percent),
      sparkColumn("cpuSpark", "CPU, last minute", "cpu", "p2", (row) => row.spark?.cpu, 5),
      figure("rss", "Memory", bytes, { cls: "c-figure p1" }),
      sparkColumn("rssSpark", "Memory, last minute", "mem", "p3", (row) => row.spark?.rss, 1),
      figure("restarts", "Restarts", count, { cls: "c-figure p2" }),
      figure("uptime", "Uptime", age, { cls: "c-uptime p2" }),
      {
        key: "last",
        label: "Last end",
        cls: "c-last p3",
        sort: (row) => row.last_exit?.time,
        descending: true,
        make: () => h("span", { class: "cut" }),
        update: (node, row) => {
          text(node, row.last_exit ? `${row.last_exit.text}, ${clock(row.last_exit.time)}` : UNKNOWN);
          attr(node, "title", row.last_exit?.text || null);
        },
      },
      {
        key: "tools",
        label: "",
        title: "Actions",
        cls: "c-tools",
        make: (row, now) => rowTools(ctx, eid, row, now),
        update: (node, row) => updateTools(ctx, node, row),
      },
    ],
  });
}

function rowTools(ctx, eid, row, now) {
  const quick = h("button", {
    type: "button",
    class: "icon-button",
    on: { click: () => ctx.actions.watcher(eid, now(), now().status === "stopped" ? "start" : "reload") },
  });
  const menu = menuButton({
    content: icon("more"),
    cls: "icon-button",
    label: `Actions for ${row.name}`,
    items: () => watcherItems(ctx, eid, now()),
  });
  const node = h("span", { class: "row-tools" }, quick, menu);
  node._parts = { quick, icon: "" };
  return node;
}

function updateTools(ctx, node, row) {
  const { quick } = node._parts;
  const action = row.status === "stopped" ? "start" : "reload";
  if (node._parts.icon !== action) {
    node._parts.icon = action;
    put(quick, icon(action));
    attr(quick, "aria-label", `${action} ${row.name}`);
    attr(
      quick,
      "title",
      ctx.actions.forbidden(action) ||
        `${action[0].toUpperCase()}${action.slice(1)}: ${ctx.actions.line(action, row.name)}`,
    );
    quick.disabled = !!ctx.actions.forbidden(action);
  }
}

function watcherItems(ctx, eid, row) {
  const stopped = row.status === "stopped";
  const item = actionItem(ctx.actions.forbidden("stop"), (action) => ctx.actions.watcher(eid, row, action));
  const open = (tab) => () => ctx.router.go(watcherHref(ctx.router, eid, row.name, { tab }));
  return [
    stopped ? item("start", "Start") : item("reload", "Reload"),
    stopped ? null : item("restart", "Restart"),
    ...(stopped
      ? []
      : [item("incr", "One worker more", { icon: "add" }), item("decr", "One worker less", { icon: "minus" })]),
    null,
    { label: "Output", icon: "logs", run: open("output") },
    { label: "Why is it so?", icon: "help", run: open("why") },
    { label: "Options", icon: "edit", run: open("options") },
    null,
    stopped
      ? item("rm", "Remove…", { icon: "close", danger: true, disabled: ctx.actions.forbidden("rm") })
      : item("stop", "Stop…", { danger: true }),
  ].filter((each, index, all) => each !== null || (index > 0 && all[index - 1] !== null));
}
