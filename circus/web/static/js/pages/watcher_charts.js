/** The charts of a watcher: CPU, memory, io, workers, restarts and accept queue on one axis of time, with event marks. */

import { watcherPath } from "../api.js";
import { h, show, text } from "../dom.js";
import { bytes, clock, count, percent, rate } from "../format.js";
import { ChartGroup, oneLine } from "../ui/chart.js";
import { icon } from "../ui/icons.js";
import { eventKind, eventText } from "./event_row.js";
import { panelHead } from "./panel.js";
import { chips } from "./parts.js";

const SPANS = [
  ["120", "2 m"],
  ["300", "5 m"],
  ["900", "15 m"],
  ["3600", "1 h"],
  ["86400", "24 h"],
];
/** What the live series reaches back; longer spans are asked for. */
const LIVE = 900;
const REFRESH = 30_000;

export function watcherCharts(page) {
  const back = h(
    "button",
    { type: "button", class: "button small", hidden: true, on: { click: () => group.setZoom(null) } },
    icon("close"),
    h("span"),
  );
  const group = new ChartGroup({ span: Number(page.router.query.get("span")) || 300, onWindow: () => zoomed() });
  const grid = group.grid([
    oneLine("cpu", "CPU", percent, { floor: 10 }),
    oneLine("rss", "Memory", bytes, { tone: "mem", floor: 1024 * 1024, binary: true }),
    {
      title: "I/O",
      lines: [
        { key: "read_rate", label: "read", tone: "io" },
        { key: "write_rate", label: "written", tone: "io2" },
      ],
      format: rate,
      floor: 1024,
      binary: true,
    },
    oneLine("count", "Workers", count, { floor: 2, whole: true }),
    oneLine("restarted", "Restarts", count, { tone: "bad", floor: 2, whole: true }),
    oneLine("queue", "Accept queue", count, { label: "Waiting", floor: 4, whole: true }),
  ]);
  const spans = chips("Span of time", SPANS, String(group.span), (key) => {
    page.router.setQuery({ span: key === "300" ? "" : key });
    group.setSpan(Number(key));
    fetchPast();
  });
  const problem = h("p", { class: "hint", role: "status" });
  const element = h(
    "section",
    { class: "panel charts", "aria-label": "Charts" },
    panelHead(h("h2", null, "Over time"), group.note, [back, spans]),
    grid,
    problem,
  );
  let past = null;
  let timer = 0;

  function zoomed() {
    show(back, !!group.zoom);
    if (group.zoom) text(back.lastElementChild, `${clock(group.zoom.from)} – ${clock(group.zoom.to)}`);
  }

  async function fetchPast() {
    clearTimeout(timer);
    text(problem, "");
    if (group.span <= LIVE) {
      past = null;
      update();
      return;
    }
    try {
      const told = await page.api.get(watcherPath(page.name, "stats"), {
        endpoint: page.eid,
        since: Math.floor(page.live.now() - group.span),
        resolution: "minute",
      });
      past = told.series || null;
      text(problem, past?.time?.length ? "" : "circusd-stats keeps no history of that span yet.");
    } catch (error) {
      past = null;
      text(problem, `No history of that span: ${error.message}`);
    }
    update();
    timer = setTimeout(fetchPast, REFRESH);
  }

  function update() {
    const series = merged(past, page.data.series || { time: [] });
    series.restarted = differences(series.restarts || []);
    const marks = (page.data.events || []).map((event) => ({
      time: event.time,
      kind: eventKind(event),
      text: [event.event, eventText(event), event.cause].filter(Boolean).join(" · "),
    }));
    show(
      group.charts.at(-1).element,
      !!page.data.watcher.sockets?.length || (series.queue || []).some((value) => value !== null),
    );
    group.set(
      series,
      marks,
      page.live.state.phase === "online" ? page.live.now() : series.time.at(-1) || page.live.now(),
    );
  }

  if (group.span > LIVE) fetchPast();
  update();
  return {
    element,
    update,
    destroy() {
      clearTimeout(timer);
      group.destroy();
    },
  };
}

/** The past up to where the live series begins, then that. */
function merged(past, live) {
  if (!past?.time?.length) return { ...live };
  const begins = live.time?.[0] ?? Infinity;
  let keep = past.time.length;
  while (keep && past.time[keep - 1] >= begins) keep -= 1;
  const length = live.time?.length || 0;
  const joined = {};
  for (const key of new Set([...Object.keys(past), ...Object.keys(live)])) {
    const old = past[key]?.slice(0, keep) ?? new Array(keep).fill(null);
    joined[key] = [...old, ...(live[key] ?? new Array(length).fill(null))];
  }
  return joined;
}

/** Restarts between samples from their running count; a new daemon begins at zero. */
function differences(column) {
  let before = null;
  return column.map((value) => {
    if (value === null || value === undefined) return null;
    const grown = before === null ? 0 : Math.max(0, value - before);
    before = value;
    return grown;
  });
}
